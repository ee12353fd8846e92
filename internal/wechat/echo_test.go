package wechat

import (
	"bufio"
	"context"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/hufu-project/hufu/internal/credential"
	"github.com/hufu-project/hufu/internal/errcode"
)

func TestAnEchoingPeerLeaksNothing(t *testing.T) {
	for name, serve := range map[string]func(net.Conn){
		"echo": func(c net.Conn) { _, _ = io.Copy(c, c) },
		"bare json": func(c net.Conn) {
			_, _ = bufio.NewReader(c).ReadString('\n')
			_, _ = io.WriteString(c, "{\"access_token\":\"TOKEN_OF_WECHAT_1234567890\",\"expires_in\":7200}\r\n\r\n")
			c.Close()
		},
		"bad header": func(c net.Conn) {
			_, _ = bufio.NewReader(c).ReadString('\n')
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\n{\"access_token\" \"TOKEN_OF_WECHAT_1234567890\"}\r\n\r\n")
			c.Close()
		},
		"chunk": func(c net.Conn) {
			_, _ = bufio.NewReader(c).ReadString('\n')
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: TOKEN_OF_WECHAT_1234567890\r\n\r\n")
			c.Close()
		},
		"length": func(c net.Conn) {
			_, _ = bufio.NewReader(c).ReadString('\n')
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: TOKEN_OF_WECHAT_1234567890\r\n\r\n")
			c.Close()
		},
	} {
		t.Run(name, func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			go func() {
				for {
					c, err := l.Accept()
					if err != nil {
						return
					}
					go serve(c)
				}
			}()
			c, _ := New(Options{APIURL: "http://" + l.Addr().String(), Timeout: time.Second})
			for _, source := range []string{"classic", "stable"} {
				line, _ := Find(credential.AccessToken, source)
				ctx, cancel := context.WithTimeout(context.Background(), time.Second)
				_, err = line.Issue(ctx, c, Grant{App: "wx0", Secret: credential.NewSecret("SECRET0123456789"), Life: time.Hour})
				cancel()
				if err != nil && (strings.Contains(err.Error(), "SECRET") || strings.Contains(err.Error(), "TOKEN_OF")) {
					t.Errorf("%s: %v", source, err)
				}
				_, err = c.Probe(context.Background(), line, credential.NewSecret("TOKEN_OF_US"))
				if err != nil && strings.Contains(err.Error(), "TOKEN_OF") {
					t.Errorf("probe: %v", err)
				}
			}
		})
	}
}

func TestASecretSplitByControlBytesIsRedacted(t *testing.T) {
	a, err := parse([]byte(`{"errcode":40125,"errmsg":"invalid SECR\u0001ET0123456789"}`))
	if err != nil {
		t.Fatal(err)
	}
	e := a.refusal("issue", 40125, errcode.Block, credential.NewSecret("SECRET0123456789"))
	if strings.Contains(e.Error(), "SECRET0123456789") {
		t.Error(e)
	}
}
