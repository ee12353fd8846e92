package sdktest

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"
)

// Outside is a program in a process of its own, for SDKs of other languages. It
// lives in real time, so it is told the time of the bubble with every command,
// and is expected to believe it. Its requests come in over a real socket and are
// made again in the bubble, whose time stands still while the program thinks.
//
// A command is a line of JSON to the program: "number", "now" in milliseconds
// since 1970, "do", and what else Do is given. Its answer is a line with the
// number and "value" or "error".
type Outside struct {
	stdin   io.Writer
	answers chan answer
	visits  chan visit
	beat    chan struct{}

	mu    sync.Mutex
	waits map[int]chan answer // by the number of the command
}

type answer struct {
	Number int             `json:"number"`
	Value  json.RawMessage `json:"value"`
	Error  string          `json:"error"`
}

// visit is a request of the program's, and where its answer goes.
type visit struct {
	request *http.Request
	answer  chan *http.Response
}

// beat is how often in real time, while a command is under way, the bubble's time
// moves on, and by how much: there are timers in there, too.
const (
	realBeat   = time.Millisecond
	bubbleBeat = 5 * time.Millisecond
)

// Program starts a program, outside of all bubbles. HUFU_URL and HUFU_WEB_URL tell
// it where Hufu is. It ends with the test.
func Program(t *testing.T, name string, args ...string) *Outside {
	t.Helper()
	o := &Outside{answers: make(chan answer), visits: make(chan visit), beat: make(chan struct{}), waits: map[int]chan answer{}}
	front := httptest.NewServer(http.HandlerFunc(o.visit))
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), "HUFU_URL="+front.URL, "HUFU_WEB_URL="+Web)
	cmd.Stderr = t.Output()
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	o.stdin = stdin
	over := make(chan struct{})
	var running sync.WaitGroup
	running.Go(func() { o.read(stdout, over) })
	running.Go(func() {
		tick := time.NewTicker(realBeat)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
			case <-over:
				return
			}
			select {
			case o.beat <- struct{}{}:
			case <-over:
				return
			}
		}
	})
	t.Cleanup(func() {
		_ = stdin.Close()
		close(over)
		running.Wait()
		if err := cmd.Wait(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		front.Close()
	})
	return o
}

// read reads what the program says.
func (o *Outside) read(stdout io.Reader, over <-chan struct{}) {
	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		var a answer
		if err := json.Unmarshal(lines.Bytes(), &a); err != nil {
			a.Number, a.Error = -1, "the program said: "+lines.Text()
		}
		select {
		case o.answers <- a:
		case <-over:
		}
	}
	select {
	case o.answers <- answer{Number: -1, Error: "the program has ended"}:
	case <-over:
	}
}

// visit takes a request into the bubble, and its answer out again.
func (o *Outside) visit(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	in, _ := http.NewRequest(r.Method, API+r.RequestURI, bytes.NewReader(body))
	if err != nil || in == nil {
		http.Error(w, "no request", http.StatusBadRequest)
		return
	}
	in.Header = r.Header.Clone()
	v := visit{in, make(chan *http.Response, 1)}
	select {
	case o.visits <- v:
	case <-r.Context().Done():
		return
	}
	var resp *http.Response
	select {
	case resp = <-v.answer:
	case <-r.Context().Done():
		return
	}
	for name, values := range resp.Header {
		w.Header()[name] = values
	}
	w.WriteHeader(resp.StatusCode)
	_, _ = io.Copy(w, resp.Body)
}

// Do gives the program a command, in a bubble, and waits for its answer, which
// goes into value, if that is not nil. Commands with different numbers may be
// under way at the same time; the numbers are from 0.
func (o *Outside) Do(number int, command map[string]any, value any) error {
	command["number"], command["now"] = number, time.Now().UnixMilli()
	line, err := json.Marshal(command)
	if err != nil {
		return err
	}
	mine := make(chan answer, 1)
	o.mu.Lock()
	o.waits[number] = mine
	first := len(o.waits) == 1
	_, err = o.stdin.Write(append(line, '\n'))
	o.mu.Unlock()
	if err != nil {
		return err
	}
	if first {
		go o.serve()
	}
	a := <-mine
	switch {
	case a.Error != "":
		return errors.New(a.Error)
	case value == nil:
		return nil
	}
	return json.Unmarshal(a.Value, value)
}

// serve connects the bubble with what is outside, while a command is under way.
func (o *Outside) serve() {
	for {
		select {
		case v := <-o.visits:
			go v.serve()
		case <-o.beat:
			time.Sleep(bubbleBeat)
		case a := <-o.answers:
			o.mu.Lock()
			for number, mine := range o.waits {
				if number == a.Number || a.Number < 0 {
					mine <- a
					delete(o.waits, number)
				}
			}
			over := len(o.waits) == 0
			o.mu.Unlock()
			if over {
				return
			}
		}
	}
}

// serve makes the request in the bubble.
func (v visit) serve() {
	resp, err := http.DefaultTransport.RoundTrip(v.request)
	if err != nil {
		v.answer <- &http.Response{StatusCode: http.StatusBadGateway, Body: io.NopCloser(bytes.NewBufferString(err.Error()))}
		return
	}
	body, _ := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	resp.Body = io.NopCloser(bytes.NewReader(body))
	v.answer <- resp
}
