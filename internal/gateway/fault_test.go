package gateway

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/hufu-project/hufu/internal/config"
	"github.com/hufu-project/hufu/internal/credential"
	"github.com/hufu-project/hufu/internal/wechat"
	"github.com/hufu-project/hufu/wxsim"
)

// Each way in which WeChat may fail, over kept connections: net/http would send
// a GET again.
func TestNothingIsSentTwiceWhateverBreaks(t *testing.T) {
	t.Parallel()
	for mode := wxsim.Outage; mode <= wxsim.Body; mode++ {
		t.Run(mode.String(), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, options{config: config.Gateway{MaxBody: 1 << 20, Timeout: time.Second, Concurrency: 10}})
			get, _, _ := strings.Cut(userGet, "?")
			w.ask("GET", userGet, "one", "")
			w.ask("POST", sendPath, "one", message)
			// Both connections are kept now, and those of the faults break.
			clear := w.sim.Fail(wxsim.Fault{Path: "/cgi-bin/", Mode: mode, Errcode: 45009, Body: "what?", Delay: 100 * time.Millisecond})
			defer clear()
			for _, call := range []struct{ method, target, path, body string }{
				{"GET", userGet, get, ""}, {"POST", sendPath, sendPath, message},
			} {
				before := w.reached(call.path)
				ctx, cancel := context.WithTimeout(t.Context(), 4*time.Second)
				a := w.send(ctx, call.method, call.target, "one", strings.NewReader(call.body))
				cancel()
				if n := w.reached(call.path) - before; n != 1 {
					t.Errorf("%s was sent %d times: %d %s", call.method, n, a.status, a.body)
				}
				switch mode {
				case wxsim.Outage, wxsim.Reset, wxsim.LostAnswer:
					if a.status != 502 || !strings.Contains(a.body, `"no_answer"`) {
						t.Errorf("%s: %d %s", call.method, a.status, a.body)
					}
				case wxsim.Hang:
					if a.status != 504 || !strings.Contains(a.body, `"no_answer"`) {
						t.Errorf("%s: %d %s", call.method, a.status, a.body)
					}
				case wxsim.Truncated:
					if a.err == nil {
						t.Errorf("%s: what was cut ends as if it were whole: %q", call.method, a.body)
					}
				case wxsim.SlowBody:
					if a.err == nil {
						t.Errorf("%s: it came too soon", call.method)
					}
				case wxsim.Status5xx:
					if a.status != 502 || a.body != "Bad Gateway" {
						t.Errorf("%s: %d %s", call.method, a.status, a.body)
					}
				case wxsim.SystemBusy:
					if a.code() != -1 {
						t.Errorf("%s: %s", call.method, a.body)
					}
				case wxsim.Errcode:
					if a.code() != 45009 {
						t.Errorf("%s: %s", call.method, a.body)
					}
				}
			}
			if n := len(w.sim.Messages(shop)); n > 2 {
				t.Errorf("%d messages", n)
			}
		})
	}
}

func TestACallThatWasNotSentIsMinusOne(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	w := newWorld(t, options{})
	w.token()
	ln.Close()
	// Who closed the door is the egress proxy.
	w.gateway.Upstream, err = wechat.New(wechat.Options{APIURL: w.wechat, ProxyURL: "http://" + ln.Addr().String()})
	must(t, err)
	a := w.ask("POST", sendPath, "one", message)
	if a.status != 200 || a.code() != -1 {
		t.Errorf("%d %s", a.status, a.body)
	}
}

func TestAnswersPassUntouched(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{})
	random := bytes.Repeat([]byte{0, 1, 0xff, '{', 0x8b, 0x1f, '\n'}, 3<<20/7)
	const path = "/cgi-bin/media/get"
	for name, c := range map[string]struct {
		status  int
		headers []string
		body    []byte
		chunked bool
		slow    bool
	}{
		"an error page of something between":  {502, []string{"Content-Type", "text/html"}, []byte("<html>502</html>"), false, false},
		"empty":                               {200, []string{"Content-Type", "text/html;charset=gbk"}, nil, false, false},
		"no content":                          {204, nil, nil, false, false},
		"a redirect":                          {302, []string{"Location", "https://mp.weixin.qq.com/x"}, []byte("moved"), false, false},
		"a picture":                           {200, []string{"Content-Type", "image/jpeg", "Content-Disposition", `attachment; filename="a.jpg"`}, random, false, false},
		"a picture in chunks":                 {200, []string{"Content-Type", "image/jpeg"}, random, true, false},
		"compressed, though nobody asked":     {200, []string{"Content-Encoding", "gzip", "Content-Type", "application/json"}, append([]byte{0x1f, 0x8b}, random[:300]...), false, false},
		"long JSON":                           {200, []string{"Content-Type", "text/plain"}, []byte(`{"a":"` + strings.Repeat("中", 20000) + `"}`), true, false},
		"JSON in two pieces":                  {200, []string{"Content-Type", "application/json"}, []byte(`{"errcode":0,"errmsg":"ok"}`), true, true},
		"text in two pieces":                  {200, nil, []byte("first and second"), true, true},
		"of no type, beginning with a bracet": {200, nil, []byte(`{`), false, false},
	} {
		w.instead(path, func(out http.ResponseWriter, r *http.Request) {
			h := out.Header()
			h["Content-Type"] = nil
			for i := 0; i < len(c.headers); i += 2 {
				h.Set(c.headers[i], c.headers[i+1])
			}
			h.Set("Set-Cookie", "a=b")
			h.Set("Connection", "X-Hop")
			h.Set("X-Hop", "1")
			h.Set("Strict-Transport-Security", "max-age=1")
			if !c.chunked && c.status != 204 {
				h.Set("Content-Length", fmt.Sprint(len(c.body)))
			}
			out.WriteHeader(c.status)
			half := len(c.body) / 2
			_, _ = out.Write(c.body[:half])
			if c.slow {
				_ = http.NewResponseController(out).Flush()
				select {
				case <-time.After(50 * time.Millisecond):
				case <-r.Context().Done():
				}
			}
			_, _ = out.Write(c.body[half:])
		})
		a := w.ask("GET", path, "one", "")
		if a.status != c.status || a.body != string(c.body) || a.err != nil {
			t.Errorf("%s: %d, %d bytes, %v; want %d, %d bytes", name, a.status, len(a.body), a.err, c.status, len(c.body))
		}
		for i := 0; i < len(c.headers); i += 2 {
			if got := a.header.Get(c.headers[i]); got != c.headers[i+1] {
				t.Errorf("%s: %s is %q", name, c.headers[i], got)
			}
		}
		if c.headers == nil && a.header["Content-Type"] != nil {
			t.Errorf("%s: a type was guessed: %s", name, a.header["Content-Type"])
		}
		for _, dropped := range []string{"Set-Cookie", "X-Hop", "Strict-Transport-Security"} {
			if a.header[dropped] != nil {
				t.Errorf("%s: %s reached the program", name, dropped)
			}
		}
	}
}

func TestABreakOnTheWayIsABreakForTheProgram(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{})
	const path = "/cgi-bin/media/get"
	for _, body := range []string{`{"errcode":0,`, strings.Repeat("x", 100<<10), "{" + strings.Repeat(" ", 100<<10)} {
		for _, length := range []string{"", "1000000"} {
			w.instead(path, func(out http.ResponseWriter, _ *http.Request) {
				if length != "" {
					out.Header().Set("Content-Length", length)
				}
				_, _ = io.WriteString(out, body)
				_ = http.NewResponseController(out).Flush()
				panic(http.ErrAbortHandler)
			})
			before := w.reached(path)
			if a := w.ask("GET", path, "one", ""); a.err == nil {
				t.Errorf("%d bytes of %q ended well: %d", len(a.body), length, a.status)
			}
			if n := w.reached(path) - before; n != 1 {
				t.Errorf("sent %d times", n)
			}
		}
	}
}

func TestAProgramThatHasGoneEndsItsCall(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{})
	const path = "/cgi-bin/media/get"
	for _, begun := range []bool{false, true} {
		arrived, ended := make(chan bool, 1), make(chan bool, 1)
		w.instead(path, func(out http.ResponseWriter, r *http.Request) {
			if begun {
				_, _ = io.WriteString(out, "begin")
				_ = http.NewResponseController(out).Flush()
			}
			arrived <- true
			<-r.Context().Done()
			ended <- true
		})
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			<-arrived
			cancel()
		}()
		w.send(ctx, "GET", path, "one", nil)
		select {
		case <-ended:
		case <-time.After(5 * time.Second):
			t.Errorf("WeChat is still at it (answer begun: %v)", begun)
		}
	}
}

// A program that hangs up is no failure of WeChat's.
func TestAProgramThatHasGoneIsNoError(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{})
	w.token()
	ctx, cancel := context.WithCancel(t.Context())
	w.instead(sendPath, func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // or else nobody hears of the end
		cancel()
		<-r.Context().Done()
	})
	r := httptest.NewRequestWithContext(ctx, "POST", sendPath, strings.NewReader(message))
	r.Header.Set("X-Hufu-Key", w.keys["one"])
	w.surface.ServeHTTP(httptest.NewRecorder(), r)
	if log := w.log.String(); !strings.Contains(log, "result=left") || strings.Contains(log, "level=ERROR") {
		t.Error(log)
	}
}

func TestWeChatSeesNothingOfABodyThatBreaksOff(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{})
	w.token()
	c, err := net.Dial("tcp", strings.TrimPrefix(w.url, "http://"))
	must(t, err)
	_, _ = fmt.Fprintf(c, "POST %s HTTP/1.1\r\nHost: hufu\r\nX-Hufu-Key: %s\r\nContent-Length: 100\r\n\r\n0123456789", sendPath, w.keys["one"])
	_ = c.(*net.TCPConn).CloseWrite()
	_, _ = io.Copy(io.Discard, c)
	c.Close()
	if n := w.reached(sendPath); n != 0 {
		t.Errorf("WeChat was called %d times", n)
	}
}

func TestALongBodyIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{config: config.Gateway{MaxBody: 10 << 10, Timeout: time.Second, Concurrency: 10}})
	long := strings.Repeat("x", 11<<10)
	if a := w.ask("POST", sendPath, "one", long); a.status != 413 || !strings.Contains(a.body, "too_large") {
		t.Errorf("announced: %d %s", a.status, a.body)
	}
	if a := w.send(t.Context(), "POST", sendPath, "one", io.MultiReader(strings.NewReader(long))); a.status != 413 {
		t.Errorf("in chunks: %d %s", a.status, a.body)
	}
	if n := w.reached(sendPath); n != 0 {
		t.Errorf("WeChat was called %d times", n)
	}
}

func TestWeChatCannotTellTheToken(t *testing.T) {
	t.Parallel()
	w := newWorld(t, options{})
	token := w.token()
	for _, contentType := range []string{"application/json", "text/html"} {
		w.instead(sendPath, func(out http.ResponseWriter, r *http.Request) {
			out.Header().Set("Content-Type", contentType)
			out.Header().Set("Location", "/x?"+r.URL.RawQuery)
			_, _ = fmt.Fprintf(out, `{"request":"%s","again":"%[1]s"}`, r.URL)
		})
		a := w.ask("POST", sendPath, "one", message)
		if strings.Contains(a.body+fmt.Sprint(a.header), token) || strings.Count(a.body, "***") < 2 {
			t.Errorf("%s %v", a.body, a.header)
		}
	}
}

// A token may be quoted anywhere in an answer, and come in pieces.
func TestWeChatCannotTellTheTokenInPieces(t *testing.T) {
	t.Parallel()
	token := "92_" + strings.Repeat("token", 30) + "92_"
	for name, text := range map[string]string{
		"an error page":           "<html>no way to /x?access_token=" + token + "</html>",
		"where the peek ends":     `{"request":"` + strings.Repeat("x", maxPeek-50) + token + `"}`,
		"far behind":              `{"request":"` + strings.Repeat("x", 5*maxPeek) + token + `"}`,
		"at the end":              "<html>" + token,
		"twice":                   "<html>" + token + token,
		"all but its last letter": "<html>" + token[:len(token)-1],
		"begun and begun again":   "<html>92_tok" + token,
	} {
		for piece, body := range map[string]io.Reader{
			"whole": strings.NewReader(text), "halved": iotest.HalfReader(strings.NewReader(text)),
			"by letters": iotest.OneByteReader(strings.NewReader(text)), "with its end": iotest.DataErrReader(strings.NewReader(text)),
		} {
			w := httptest.NewRecorder()
			c := &call{w: w, r: httptest.NewRequest("GET", "/cgi-bin/media/get", nil)}
			c.ctx, c.clock = newClock(t.Context())
			a := c.peek(&http.Response{StatusCode: 200, ContentLength: -1, Body: io.NopCloser(body)}, credential.NewSecret(token))
			if err := c.relay(a); err != nil {
				t.Error(err)
			}
			c.clock.stop()
			if want := strings.ReplaceAll(text, token, strings.Repeat("*", len(token))); w.Body.String() != want {
				t.Errorf("%s, %s: %d bytes of %d; told: %v", name, piece, w.Body.Len(), len(want), strings.Contains(w.Body.String(), token))
			}
		}
	}
}
