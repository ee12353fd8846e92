package wxsim

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"mime/multipart"
	"net/http"
	"strings"
	"testing"
)

func TestMessagesAreCountedAsUsersReceiveThem(t *testing.T) {
	t.Parallel()
	k := dull(t, Options{})
	const path = "/cgi-bin/message/template/send"
	query := "?access_token=" + k.wantToken("a token", k.stableAsk(false)).token
	good := `{"touser":"o1","template_id":"t1"}`
	k.wantCode("a message", k.do("POST", path+query, good), 0)
	k.wantCode("by GET", k.do("GET", path+query, ""), 43002)
	k.wantCode("to nobody", k.do("POST", path+query, `{"template_id":"t1"}`), 40003)
	k.wantCode("of no template", k.do("POST", path+query, `{"touser":"o1"}`), 40037)
	k.wantCode("no JSON", k.do("POST", path+query, "x"), 47001)
	k.wantCode("by a wrong token", k.do("POST", path+"?access_token=x", good), 40001)
	if list := k.Messages(appID); len(list) != 1 || list[0] != good {
		t.Errorf("the user received %q", list)
	}
	// A lost answer is no lost message.
	k.Fail(Fault{Path: path, Mode: LostAnswer, Count: 1})
	if g := k.do("POST", path+query, good); g.err == nil {
		t.Error("the answer was not lost")
	}
	if n := len(k.Messages(appID)); n != 2 {
		t.Errorf("the user received %d messages", n)
	}
	b, ok := k.LastBrought(path)
	if !ok || b.Method != "POST" || b.Target != path+query || string(b.Body) != good {
		t.Errorf("%+v", b)
	}
	if _, ok := k.LastBrought("/cgi-bin/nothing"); ok {
		t.Error("a path that is not there was called")
	}
}

func TestMediaComeBackAsTheyWereSent(t *testing.T) {
	t.Parallel()
	k := dull(t, Options{})
	token := k.wantToken("a token", k.stableAsk(false)).token
	want := bytes.Repeat([]byte{0, '{', 0xff}, 1<<20)
	var form bytes.Buffer
	m := multipart.NewWriter(&form)
	part, err := m.CreateFormFile("media", "a.jpg")
	must(t, err)
	_, _ = part.Write(want)
	must(t, m.Close())
	r, err := http.NewRequestWithContext(context.Background(), "POST", host+"/cgi-bin/media/upload?type=image&access_token="+token, &form)
	must(t, err)
	r.Header.Set("Content-Type", m.FormDataContentType())
	resp, err := k.tr.RoundTrip(r)
	must(t, err)
	b, err := io.ReadAll(resp.Body)
	must(t, err)
	var said struct {
		ID string `json:"media_id"`
	}
	if json.Unmarshal(b, &said) != nil || said.ID == "" {
		t.Fatalf("%s", b)
	}
	g := k.do("GET", "/cgi-bin/media/get?media_id="+said.ID+"&access_token="+token, "")
	if g.body != string(want) || !strings.Contains(g.header.Get("Content-Disposition"), "a.jpg") {
		t.Errorf("%d bytes, %v", len(g.body), g.header)
	}
	k.wantCode("another", k.do("GET", "/cgi-bin/media/get?media_id=x&access_token="+token, ""), 40007)
	k.wantCode("no form", k.do("POST", "/cgi-bin/media/upload?type=image&access_token="+token, "x"), 41005)
	k.wantCode("no type", k.do("POST", "/cgi-bin/media/upload?access_token="+token, "x"), 40004)
	k.wantRules("calls as they should be")
}
