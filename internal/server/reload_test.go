package server

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestANewConfigurationIsInForceWithoutARestart(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.write(anyPorts)
	n.start()
	if status, _ := n.get("api", "/v1/apps/wx00000000000000aa/credentials/access_token"); status != http.StatusNotFound {
		t.Fatalf("status %d", status)
	}
	text, err := os.ReadFile(filepath.Join(n.dir, "hufu.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	n.file("hufu.yaml", strings.Replace(string(text), "apps: [", "apps: [{appid: wx00000000000000aa, secret: another-secret}, ", 1)+
		"\nverify_files: {MP_verify_AbCdEf0123456789.txt: AbCdEf0123456789}\nplaintext: true")
	n.Reload()
	n.until("declared", func() bool {
		status, _ := n.get("api", "/v1/apps/wx00000000000000aa/credentials/access_token")
		return status == http.StatusServiceUnavailable // unknown to WeChat, but ours
	})
	if status, _ := n.get("web", "/MP_verify_AbCdEf0123456789.txt"); status != http.StatusOK {
		t.Errorf("verify file: status %d", status)
	}
	if got := n.standing(); !got.Passes || got.NeedsRestart != nil {
		t.Errorf("%+v", got)
	}
}

// standing is the configuration's state as operators see it.
func (n *node) standing() ConfigStatus { return n.Server.config.status() }

func TestABadConfigurationLeavesTheOldInForce(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.write(anyPorts)
	n.start()
	n.write(anyPorts + "\nnonsense: 1")
	n.Reload()
	n.until("refused", func() bool { return !n.standing().Passes })
	if status, body := n.get("api", tokenPath); status != http.StatusOK {
		t.Errorf("%d %s", status, body)
	}
	if got := n.standing().Problems; len(got) != 1 || !strings.Contains(got[0], "hufu.yaml:") || !strings.Contains(got[0], "nonsense") {
		t.Errorf("problems %q", got)
	}
	_, metrics := n.get("admin", "/metrics")
	wants(t, metrics, "hufu_config_passes 0", "hufu_config_reload_failures_total 1")

	n.write(anyPorts)
	n.Reload()
	n.until("accepted", func() bool { return n.standing().Passes })
}

func TestWhatTakesARestartIsSaid(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.write(anyPorts)
	n.start()
	text, err := os.ReadFile(filepath.Join(n.dir, "hufu.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	changed := strings.NewReplacer(
		"bolt:hufu.db", "bolt:other.db", "audit.jsonl", "other.jsonl",
		`api: "127.0.0.1:0"`, `api: "127.0.0.2:0"`, "wechat: {", "wechat: {life: 1h, ", "hufu.key", "other.key",
	).Replace(string(text))
	n.file("hufu.yaml", changed)
	n.Reload()
	n.until("read", func() bool { return n.standing().NeedsRestart != nil })
	if got := strings.Join(n.standing().NeedsRestart, " "); got != "listen store master_key_file wechat audit" {
		t.Errorf("needs restart: %s", got)
	}
	// And taken back, nothing does.
	n.file("hufu.yaml", string(text))
	n.Reload()
	n.until("read again", func() bool { return n.standing().NeedsRestart == nil })
}

func TestACertificateIsExchangedWithoutARestart(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.certificate("first.example")
	n.write(anyPorts + "\ntls: {cert_file: tls.crt, key_file: tls.key}")
	n.start()
	if got := n.shown("api"); got != "first.example" {
		t.Errorf("listen.api shows %s", got)
	}
	if got := n.shown("admin"); got != "first.example" {
		t.Errorf("listen.admin shows %s", got)
	}
	if !strings.HasPrefix(n.URL("web"), "http://") {
		t.Errorf("listen.web is %s; it stands behind a proxy", n.URL("web"))
	}
	if status, _ := n.get("api", tokenPath); status != http.StatusOK {
		t.Errorf("status %d over TLS", status)
	}
	n.certificate("second.example")
	n.Reload()
	n.until("exchanged", func() bool { return n.shown("api") == "second.example" })

	// One that cannot be read leaves the old in use.
	n.file("tls.crt", "nonsense")
	n.Reload()
	n.until("refused", func() bool { return !n.standing().Passes })
	if got := n.shown("api"); got != "second.example" {
		t.Errorf("listen.api shows %s", got)
	}
}

// shown is whom the certificate of a listener names.
func (n *node) shown(site string) string {
	addr := strings.TrimPrefix(n.URL(site), "https://")
	conn, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		return err.Error()
	}
	defer conn.Close()
	return conn.ConnectionState().PeerCertificates[0].Subject.CommonName
}

// certificate makes a certificate for name and its key.
func (n *node) certificate(name string) {
	n.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		n.t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		n.t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		n.t.Fatal(err)
	}
	n.file("tls.crt", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert})))
	n.file("tls.key", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})))
}

func TestSIGHUPOpensTheAuditFileAnew(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	n.write(anyPorts)
	n.start()
	path := filepath.Join(n.dir, "audit.jsonl")
	n.get("api", tokenPath)
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	n.Reload()
	n.get("api", "/v1/apps/wxnope/credentials/access_token") // a denial
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	wants(t, string(text), `"decision":"denied"`)
}
