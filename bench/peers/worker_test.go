//go:build unix

package peers

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"sync"
)

// What a worker is told by its environment, besides HUFU_URL and HUFU_KEY.
const (
	envProgram = "PEERS_PROGRAM" // of sdks; a process that has it is a worker
	envWeChat  = "PEERS_WECHAT"  // the simulator's address
	envRedis   = "PEERS_REDIS"   // host and port; empty: keep things in memory
	envStable  = "PEERS_STABLE"  // not empty: take tokens from the stable line
)

const wechatHost = "api.weixin.qq.com"

// order is what a worker is to do, a line of JSON on its standard input.
type order struct {
	Call bool `json:"call"` // call WeChat's API; else read the token
	N    int  `json:"n"`    // so many times
	Wide int  `json:"wide"` // so many at once
}

// read is one read of the token.
var read = order{N: 1, Wide: 1}

// outcome is what came of it, a line of JSON on its standard output.
type outcome struct {
	OK     int      `json:"ok"`
	Tokens []string `json:"tokens,omitempty"` // one for each read that gave one
	Errors []string `json:"errors,omitempty"` // the first few
}

// work is the life of a worker: it says that it is there, then takes orders
// until its standard input ends.
func work(program string) error {
	to, err := url.Parse(os.Getenv(envWeChat))
	if err != nil {
		return err
	}
	way := http.DefaultTransport.(*http.Transport).Clone()
	way.MaxIdleConnsPerHost = 256
	http.DefaultTransport = &detour{to: to, way: way}

	make, ok := sdks[program]
	if !ok {
		return fmt.Errorf("no program is called %q", program)
	}
	out := json.NewEncoder(os.Stdout)
	os.Stdout = os.Stderr // SDKs like to print
	s, err := make()
	if err != nil {
		return err
	}
	if err := out.Encode(outcome{}); err != nil {
		return err
	}
	for in := json.NewDecoder(os.Stdin); ; {
		var o order
		if err := in.Decode(&o); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if err := out.Encode(s.do(o)); err != nil {
			return err
		}
	}
}

func (s sdk) do(o order) (all outcome) {
	var mu sync.Mutex
	one := func() {
		token, err := "", error(nil)
		if o.Call {
			err = s.call()
		} else {
			token, err = s.token()
		}
		mu.Lock()
		defer mu.Unlock()
		switch {
		case err == nil:
			all.OK++
			if token != "" {
				all.Tokens = append(all.Tokens, token)
			}
		case len(all.Errors) < 3:
			all.Errors = append(all.Errors, err.Error())
		}
	}
	turns := make(chan struct{}, o.N)
	for range o.N {
		turns <- struct{}{}
	}
	close(turns)
	var group sync.WaitGroup
	for range o.Wide {
		group.Go(func() {
			for range turns {
				one()
			}
		})
	}
	group.Wait()
	return all
}

// detour takes what is meant for WeChat to the simulator. SDKs fix the host, so
// this is in the place of http.DefaultTransport.
type detour struct {
	to  *url.URL
	way http.RoundTripper
}

func (d *detour) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Host == wechatHost {
		r = r.Clone(r.Context())
		r.URL.Scheme, r.URL.Host, r.Host = d.to.Scheme, d.to.Host, ""
	}
	return d.way.RoundTrip(r)
}
