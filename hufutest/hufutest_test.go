package hufutest_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/hufu-project/hufu"
	"github.com/hufu-project/hufu/hufutest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const shop = "wx0123456789abcdef"

func Example() {
	server := hufutest.NewServer(map[string]string{"wx0123456789abcdef": "first"})
	defer server.Close()
	client, err := hufu.New(server.URL, server.Key)
	if err != nil {
		panic(err)
	}
	defer client.Close()
	ctx := context.Background()

	fmt.Println(client.Token(ctx, "wx0123456789abcdef"))

	// WeChat refuses the token, and Hufu will have another.
	server.Replace("wx0123456789abcdef", hufu.AccessToken, "second")
	fmt.Println(client.Report(ctx, "wx0123456789abcdef", "first", 40001))
	fmt.Println(server.Reports())

	// The server is away; what is in hand is given on.
	server.Fail(http.NotFoundHandler())
	fmt.Println(client.Token(ctx, "wx0123456789abcdef"))
	// Output:
	// first <nil>
	// second <nil>
	// [{wx0123456789abcdef access_token first 40001}]
	// second <nil>
}

func ExampleServer_Set() {
	server := hufutest.NewServer(nil)
	defer server.Close()
	server.Set("wx0123456789abcdef", hufu.JSAPITicket, "a ticket")
	client, err := hufu.New(server.URL, server.Key)
	if err != nil {
		panic(err)
	}
	defer client.Close()
	ctx := context.Background()

	fmt.Println(client.Ticket(ctx, "wx0123456789abcdef", hufu.JSAPITicket))
	fmt.Println(client.ReportTicket(ctx, "wx0123456789abcdef", hufu.JSAPITicket, "a ticket", 40001))
	signature, err := client.Sign(ctx, "wx0123456789abcdef", "https://shop.example.com/")
	fmt.Println(len(signature.Signature), err)
	// Output:
	// a ticket <nil>
	// a ticket <nil>
	// 40 <nil>
}

func ExampleSource() {
	// What a program takes in place of a *hufu.Source.
	var tokens interface{ Token() (string, error) } = hufutest.Source("a token")
	fmt.Println(tokens.Token())
	// Output: a token <nil>
}

// The fake has every method of the real source, with the same arguments.
func TestTheSourceHasTheRealOnesMethods(t *testing.T) {
	t.Parallel()
	real, fake := reflect.TypeFor[*hufu.Source](), reflect.TypeFor[hufutest.Source]()
	for m := range real.Methods() {
		f, ok := fake.MethodByName(m.Name)
		if !ok || f.Type.NumIn() != m.Type.NumIn() {
			t.Errorf("%s is missing or differs", m.Name)
			continue
		}
		for i := 1; i < m.Type.NumIn(); i++ {
			if m.Type.In(i) != f.Type.In(i) {
				t.Errorf("%s: argument %d differs", m.Name, i)
			}
		}
		for i := range m.Type.NumOut() {
			if m.Type.Out(i) != f.Type.Out(i) {
				t.Errorf("%s: result %d differs", m.Name, i)
			}
		}
	}
	s := hufutest.Source("x")
	s.IID01332E16DF5011E5A9D5A4DB30FED8E1()
	for _, f := range []func() (string, error){
		s.Token, s.GetAccessToken,
		func() (string, error) { return s.GetAccessTokenContext(t.Context()) },
		func() (string, error) { return s.RefreshToken("x") },
	} {
		if got, err := f(); got != "x" || err != nil {
			t.Errorf("%q, %v", got, err)
		}
	}
}

// Who follows learns of a new value at once.
func TestSetReachesWhoFollows(t *testing.T) {
	t.Parallel()
	s := hufutest.NewServer(map[string]string{shop: "1"})
	defer s.Close()
	c, err := hufu.New(s.URL, s.Key)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	source := c.Source(shop)
	for _, want := range []string{"1", "2", "3"} {
		s.Set(shop, hufu.AccessToken, want)
		end := time.After(10 * time.Second)
		for tick := range time.Tick(time.Millisecond) {
			if got, err := source.Token(); err != nil {
				t.Fatal(err)
			} else if got == want {
				break
			}
			select {
			case <-end:
				t.Fatalf("%s has not arrived at %v", want, tick)
			default:
			}
		}
	}
}

func TestTheServerRefusesAsHufuDoes(t *testing.T) {
	t.Parallel()
	s := hufutest.NewServer(nil)
	defer s.Close()
	for key, want := range map[string]error{s.Key: hufu.ErrNotFound, "hufu_x": hufu.ErrUnauthorized} {
		c, err := hufu.New(s.URL, key)
		if err != nil {
			t.Fatal(err)
		}
		_, token := c.Token(t.Context(), shop)
		_, report := c.Report(t.Context(), shop, "x", 40001)
		_, sign := c.Sign(t.Context(), shop, "https://shop.example.com/")
		for what, err := range map[string]error{"token": token, "report": report, "sign": sign} {
			if !errors.Is(err, want) {
				t.Errorf("%s: %v, want %v", what, err, want)
			}
		}
		_ = c.Close()
	}
}
