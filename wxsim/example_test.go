package wxsim_test

import (
	"fmt"
	"io"
	"net/http"

	"github.com/hufu-project/hufu/wxsim"
)

func Example() {
	sim := wxsim.New(wxsim.Options{Quirks: wxsim.NoQuirks})
	if err := sim.AddApp(wxsim.App{ID: "wx0123456789abcdef", Secret: "0123456789abcdef0123456789abcdef"}); err != nil {
		panic(err)
	}
	client := &http.Client{Transport: sim.Transport()}

	sim.Fail(wxsim.Fault{Mode: wxsim.HTML, Count: 1})
	for range 2 {
		resp, err := client.Get("https://api.weixin.qq.com/cgi-bin/token?grant_type=client_credential&appid=wx0123456789abcdef&secret=0123456789abcdef0123456789abcdef")
		if err != nil {
			panic(err)
		}
		b, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		fmt.Println(resp.StatusCode, resp.Header.Get("Content-Type"), len(b) > 0)
	}
	fmt.Println("asked", sim.Asked("wx0123456789abcdef", wxsim.Classic), "issued", sim.Issues("wx0123456789abcdef"))
	// Output:
	// 200 text/html; charset=utf-8 true
	// 200 application/json; encoding=utf-8 true
	// asked 2 issued 1
}
