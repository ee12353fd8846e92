package config

import (
	"bufio"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// FuzzLoad: no file makes the reader panic, no problem quotes a value, and what
// passes comes back from the store. The secret comes from a variable, so that
// it can land under any key.
func FuzzLoad(f *testing.F) {
	f.Add(Sample())
	file, err := os.Open("testdata/bad.jsonl")
	if err != nil {
		f.Fatal(err)
	}
	defer file.Close()
	for s := bufio.NewScanner(file); s.Scan(); {
		var row struct{ File json.RawMessage }
		var text string
		if json.Unmarshal(s.Bytes(), &row) == nil && json.Unmarshal(row.File, &text) == nil {
			f.Add([]byte(text))
		}
	}
	for typ, own := range fields {
		for _, k := range own {
			f.Add([]byte(k.key + ": ${CANARY}\n"))
			f.Add([]byte(typ.Name() + ": [{" + k.key + ": \"x${CANARY}\"}]\n"))
		}
	}
	name := filepath.Join(f.TempDir(), "hufu.yaml")
	f.Fuzz(func(t *testing.T, data []byte) {
		if err := os.WriteFile(name, data, 0o600); err != nil {
			t.Skip(err)
		}
		c, err := Load(name, env("CANARY="+canary, "SHOP_SECRET="+canary))
		if err != nil {
			if strings.Contains(err.Error(), canary) {
				t.Fatalf("a secret is printed: %v", err)
			}
			return
		}
		if strings.Contains(c.Warnings.Error(), canary) {
			t.Fatalf("a secret is printed: %v", c.Warnings)
		}
		for _, a := range c.Apps {
			if _, err := DecodeApp(EncodeApp(a)); err != nil {
				t.Fatalf("an app that passes does not come back: %v", err)
			}
		}
		for _, k := range c.Clients {
			if _, err := DecodeClient(EncodeClient(k)); err != nil {
				t.Fatalf("a client that passes does not come back: %v", err)
			}
		}
		Redacted(c)
	})
}

// FuzzDecodeApp: what passes comes back, and nothing panics.
func FuzzDecodeApp(f *testing.F) {
	f.Add([]byte(`{"appid":"wx1","secret":["abc1"],"daily_quota":5}`))
	f.Add([]byte(`{"secret":"a","name":"\ud83d\ude00","type":"website"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		a, err := DecodeApp(data)
		if err != nil {
			return
		}
		b, err := DecodeApp(EncodeApp(a))
		if err != nil || string(EncodeApp(a)) != string(EncodeApp(b)) {
			t.Fatalf("%s came back as %s, %v", EncodeApp(a), EncodeApp(b), err)
		}
	})
}

// FuzzDecodeClient is FuzzDecodeApp for clients.
func FuzzDecodeClient(f *testing.F) {
	f.Add([]byte(`{"name":"a","key_sha256":` + hashed + `,"apps":"*","allow":"admin","from":"::1","redirect_uris":"https://a.example/*"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := DecodeClient(data)
		if err != nil {
			return
		}
		b, err := DecodeClient(EncodeClient(c))
		if err != nil || string(EncodeClient(c)) != string(EncodeClient(b)) {
			t.Fatalf("%s came back as %s, %v", EncodeClient(c), EncodeClient(b), err)
		}
	})
}
