package wxsim

import (
	"bytes"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"sync"
)

// Temporary media: what is uploaded comes back byte for byte.
func mediaRoutes() []route {
	return []route{
		{path: "/cgi-bin/media/upload", method: http.MethodPost, keyed: true, daily: 5000, serve: (*Sim).uploadMedia},
		{path: "/cgi-bin/media/get", method: http.MethodGet, keyed: true, daily: 10_000, serve: (*Sim).getMedia},
	}
}

// file is an answer that is no JSON.
type file struct {
	name        string
	contentType string
	body        []byte
}

// maxMedia is how many files the platform keeps; WeChat keeps each for three days.
const maxMedia = 32

// media is what was uploaded, by app and id.
type media struct {
	mu    sync.Mutex
	files map[string]*file
	ids   []string // oldest first
	n     int
}

// uploadMedia takes the part named media of a form, as the page on uploading temporary media has it.
func (s *Sim) uploadMedia(c *call) answer {
	kind := c.query.Get("type")
	switch kind {
	case "image", "voice", "video", "thumb":
	default:
		return s.refuse(c, 40004)
	}
	f := mediaPart(c)
	if f == nil {
		return s.refuse(c, 41005)
	}
	m := &s.media
	m.mu.Lock()
	defer m.mu.Unlock()
	m.n++
	id := fmt.Sprintf("%s-%012d-%08x", kind, m.n, s.dice.word())
	if m.files == nil {
		m.files = make(map[string]*file)
	}
	m.files[c.token.app.id+"/"+id] = f
	if m.ids = append(m.ids, c.token.app.id+"/"+id); len(m.ids) > maxMedia {
		delete(m.files, m.ids[0])
		m.ids = m.ids[1:]
	}
	return answer{fields: []field{{"type", kind}, {"media_id", id}, {"created_at", c.arrived.Unix()}}}
}

// mediaPart is nil where the body is no form with such a part.
func mediaPart(c *call) *file {
	_, params, err := mime.ParseMediaType(c.header.Get("Content-Type"))
	if err != nil || params["boundary"] == "" {
		return nil
	}
	form := multipart.NewReader(bytes.NewReader(c.body), params["boundary"])
	for {
		part, err := form.NextRawPart()
		if err != nil {
			return nil
		}
		if part.FormName() != "media" {
			continue
		}
		body, err := io.ReadAll(part)
		if err != nil {
			return nil
		}
		f := &file{name: part.FileName(), contentType: part.Header.Get("Content-Type"), body: body}
		if f.contentType == "" {
			f.contentType = "application/octet-stream"
		}
		return f
	}
}

func (s *Sim) getMedia(c *call) answer {
	s.media.mu.Lock()
	f := s.media.files[c.token.app.id+"/"+c.query.Get("media_id")]
	s.media.mu.Unlock()
	if f == nil {
		return s.refuse(c, 40007)
	}
	return answer{file: f}
}
