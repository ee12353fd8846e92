//go:build unix

package peers

import "time"

// peer is one line of the tables: a program that wants the token of an app.
type peer struct {
	name    string
	program string // what a worker runs, see sdks
	stable  bool   // the stable line of WeChat; else the classic one
	redis   bool   // what it knows lives in a Redis that its processes share
	nodes   int    // of Hufu behind it; 0 is an SDK alone
	guest   bool   // an SDK with Hufu behind it
	quick   bool   // is run by go test -short, so that CI knows when Hufu's numbers change

	// margin is by how much it lets a token go before its end; negative: it keeps no token over a
	// restart, so that a renewal is nothing but a first fetch.
	margin time.Duration
}

const memory = -1 // as a margin

// peers in the order of the tables.
var peers = []peer{
	{name: "silenceper", program: "silenceper", margin: memory},
	{name: "silenceper, Redis", program: "silenceper", redis: true, margin: 1500 * time.Second},
	{name: "silenceper, stable, Redis", program: "silenceper", stable: true, redis: true, margin: 300 * time.Second},
	{name: "PowerWeChat", program: "powerwechat", margin: memory},
	{name: "PowerWeChat, Redis", program: "powerwechat", redis: true},
	{name: "PowerWeChat, stable, Redis", program: "powerwechat", stable: true, redis: true},
	{name: "chanxuehong", program: "chanxuehong", margin: memory},
	{name: "fastwego (file)", program: "fastwego"},
	{name: "weapp (stable)", program: "weapp", stable: true, margin: memory},
	{name: "co-wechat-api", program: coWechatAPI, margin: memory},
	{name: "Hufu", program: "hufu", nodes: 1, quick: true},
	{name: "Hufu, stable", program: "hufu", stable: true, nodes: 1},
	{name: "Hufu, 3 nodes", program: "hufu", redis: true, nodes: 3, quick: true},
	{name: "Hufu, 3 nodes, stable", program: "hufu", stable: true, redis: true, nodes: 3},
	{name: "silenceper on Hufu", program: "silenceper-hufu", redis: true, nodes: 3, guest: true},
	{name: "chanxuehong on Hufu", program: "chanxuehong-hufu", redis: true, nodes: 3, guest: true},
	{name: "Hufu, gateway", program: "gateway", redis: true, nodes: 3, quick: true},
}

// ours reports whether the line is Hufu's, whose numbers are asserted.
func (p peer) ours() bool { return p.nodes > 0 }

// reads reports whether the program holds the token itself.
func (p peer) reads() bool { return p.program != "gateway" }
