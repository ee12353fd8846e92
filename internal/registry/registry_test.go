package registry_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/hufu-project/hufu/internal/config"
	"github.com/hufu-project/hufu/internal/credential"
	"github.com/hufu-project/hufu/internal/registry"
	"github.com/hufu-project/hufu/internal/store"
	"github.com/hufu-project/hufu/internal/store/bolt"
)

func openStore(t testing.TB) *bolt.Store {
	t.Helper()
	st, err := bolt.Open(filepath.Join(t.TempDir(), "hufu.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close() })
	return st
}

// run starts a registry on a store and returns it once it has read it.
func run(t testing.TB, st store.Store) *registry.Registry {
	t.Helper()
	r := registry.New(st, nil)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		<-ended
	})
	select {
	case <-r.Loaded():
	case err := <-ended:
		t.Fatalf("Run: %v", err)
	}
	return r
}

func app(id credential.App, name string) config.App {
	return config.App{
		AppID: id, Name: name, Secrets: []credential.Secret{credential.NewSecret("0123456789abcdef0123456789abcdef")},
		Source: config.Stable, Type: config.OfficialAccount, DailyQuota: 2000,
	}
}

func client(name string, keys ...byte) config.Client {
	c := config.Client{
		Name: name, Apps: []credential.App{"wx1"}, Allow: config.Actions{config.Token},
		Tokens: config.Real, Code: config.HufuCode, Snapshot: config.SnapshotAllow,
	}
	for _, k := range keys {
		c.KeySHA256 = append(c.KeySHA256, sum(k))
	}
	return c
}

func sum(k byte) config.KeyHash { return config.KeyHash{k} }

// eventually waits for what another node does in its own time.
func eventually(t *testing.T, within time.Duration, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	late := time.After(within)
	for !ok() {
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("not within %v: %s", within, what)
		}
	}
}

func TestPutIsInForceWhenItReturns(t *testing.T) {
	t.Parallel()
	r := run(t, openStore(t))
	ctx := t.Context()
	for i := range 20 {
		want := app("wx1", fmt.Sprintf("shop %d", i))
		if err := r.PutApp(ctx, want); err != nil {
			t.Fatal(err)
		}
		got, ok := r.App("wx1")
		if !ok || got.Name != want.Name || got.Declared || got.Secrets[0].Reveal() != want.Secrets[0].Reveal() {
			t.Fatalf("App(wx1) = %v, %v after it was put as %q", got, ok, want.Name)
		}
		if err := r.PutClient(ctx, client("shop", 1)); err != nil {
			t.Fatal(err)
		}
		if c, ok := r.ClientByKey(sum(1)); !ok || c.Name != "shop" {
			t.Fatalf("ClientByKey = %v, %v after the client was put", c, ok)
		}
		if err := r.DeleteClient(ctx, "shop"); err != nil {
			t.Fatal(err)
		}
		if _, ok := r.ClientByKey(sum(1)); ok {
			t.Fatal("a deleted client's key is still known")
		}
		if err := r.DeleteApp(ctx, "wx1"); err != nil {
			t.Fatal(err)
		}
		if _, ok := r.App("wx1"); ok {
			t.Fatal("a deleted app is still known")
		}
	}
}

func TestChangesReachOtherNodesInTime(t *testing.T) {
	t.Parallel()
	st := openStore(t)
	here, there := run(t, st), run(t, st)
	ctx := t.Context()
	if err := here.PutClient(ctx, client("shop", 1)); err != nil {
		t.Fatal(err)
	}
	eventually(t, 5*time.Second, "the other node knows the key", func() bool { _, ok := there.ClientByKey(sum(1)); return ok })
	if err := here.PutClient(ctx, client("shop", 2)); err != nil {
		t.Fatal(err)
	}
	eventually(t, 5*time.Second, "the other node forgets the key that was replaced", func() bool { _, ok := there.ClientByKey(sum(1)); return !ok })
	if err := here.DeleteClient(ctx, "shop"); err != nil {
		t.Fatal(err)
	}
	eventually(t, 5*time.Second, "the other node forgets the client", func() bool { _, ok := there.ClientByKey(sum(2)); return !ok })
}

func TestStoredOnesAreThereAfterARestart(t *testing.T) {
	t.Parallel()
	st := openStore(t)
	want := client("shop", 1, 2)
	want.From = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	if err := run(t, st).PutClient(t.Context(), want); err != nil {
		t.Fatal(err)
	}
	got, ok := run(t, st).Client("shop")
	if !ok {
		t.Fatal("the client is gone")
	}
	if diff := cmp.Diff(want, got.Client, cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); diff != "" {
		t.Errorf("the client changed (-want +got):\n%s", diff)
	}
}

func TestDeclaredHidesStored(t *testing.T) {
	t.Parallel()
	r := run(t, openStore(t))
	ctx := t.Context()
	if err := r.PutApp(ctx, app("wx1", "stored")); err != nil {
		t.Fatal(err)
	}
	if err := r.PutClient(ctx, client("shop", 1)); err != nil {
		t.Fatal(err)
	}
	r.Declare([]config.App{app("wx1", "declared"), app("wx0", "other")}, []config.Client{client("shop", 2)})

	if got, _ := r.App("wx1"); got.Name != "declared" || !got.Declared {
		t.Errorf("App(wx1) is %q, declared %v", got.Name, got.Declared)
	}
	if _, ok := r.ClientByKey(sum(1)); ok {
		t.Error("the key of a hidden client is known")
	}
	if c, ok := r.ClientByKey(sum(2)); !ok || !c.Declared {
		t.Error("the key of a declared client is not known")
	}
	for what, err := range map[string]error{
		"PutApp": r.PutApp(ctx, app("wx1", "x")), "DeleteApp": r.DeleteApp(ctx, "wx1"),
		"PutClient": r.PutClient(ctx, client("shop", 3)), "DeleteClient": r.DeleteClient(ctx, "shop"),
	} {
		if !errors.Is(err, credential.ErrDeclared) {
			t.Errorf("%s of a declared one: %v, want ErrDeclared", what, err)
		}
	}

	r.Declare(nil, nil)
	if got, ok := r.App("wx1"); !ok || got.Name != "stored" {
		t.Errorf("App(wx1) = %v, %v after it is declared no more", got, ok)
	}
	if _, ok := r.ClientByKey(sum(1)); !ok {
		t.Error("the stored client did not come back")
	}
	if _, ok := r.App("wx0"); ok {
		t.Error("an app that is declared no more is still there")
	}
}

func TestAppsAreSortedAndPaged(t *testing.T) {
	t.Parallel()
	r := run(t, openStore(t))
	for _, id := range []credential.App{"wx3", "wx1", "wx5"} {
		if err := r.PutApp(t.Context(), app(id, "")); err == nil {
			continue
		} else if err := r.PutApp(t.Context(), app(id, string(id))); err != nil {
			t.Fatal(err)
		}
	}
	r.Declare([]config.App{app("wx4", "d"), app("wx3", "d"), app("wx2", "d")}, nil)
	ids := func(after credential.App, most int) (ids []credential.App) {
		for a := range r.AppsAfter(after) {
			if ids = append(ids, a.AppID); len(ids) == most {
				break
			}
		}
		return ids
	}
	for _, test := range []struct {
		after credential.App
		most  int
		want  []credential.App
	}{
		{"", 99, []credential.App{"wx1", "wx2", "wx3", "wx4", "wx5"}},
		{"", 2, []credential.App{"wx1", "wx2"}},
		{"wx2", 2, []credential.App{"wx3", "wx4"}},
		{"wx25", 2, []credential.App{"wx3", "wx4"}},
		{"wx5", 2, nil},
	} {
		if diff := cmp.Diff(test.want, ids(test.after, test.most)); diff != "" {
			t.Errorf("AppsAfter(%q), %d of them (-want +got):\n%s", test.after, test.most, diff)
		}
	}
}

func TestDeleteOfWhatIsNotThere(t *testing.T) {
	t.Parallel()
	r := run(t, openStore(t))
	if err := r.DeleteApp(t.Context(), "wx1"); !errors.Is(err, credential.ErrNotFound) {
		t.Errorf("DeleteApp: %v, want ErrNotFound", err)
	}
	if err := r.DeleteClient(t.Context(), "shop"); !errors.Is(err, credential.ErrNotFound) {
		t.Errorf("DeleteClient: %v, want ErrNotFound", err)
	}
}

func TestNoTwoClientsShareAKey(t *testing.T) {
	t.Parallel()
	r := run(t, openStore(t))
	if err := r.PutClient(t.Context(), client("shop", 1)); err != nil {
		t.Fatal(err)
	}
	if err := r.PutClient(t.Context(), client("mall", 2, 1)); !errors.Is(err, registry.ErrKeyTaken) {
		t.Errorf("PutClient with another's key: %v, want ErrKeyTaken", err)
	}
	if err := r.PutClient(t.Context(), client("shop", 1, 2)); err != nil {
		t.Errorf("PutClient with its own key: %v", err)
	}
}

func TestNoTwoClientsShareARedirectURI(t *testing.T) {
	t.Parallel()
	r := run(t, openStore(t))
	site := func(name string, key byte, app credential.App, uri string) config.Client {
		c := client(name, key)
		c.Apps, c.Allow, c.RedirectURIs = []credential.App{app}, config.Actions{config.Login}, []string{uri}
		return c
	}
	for _, test := range []struct {
		c    config.Client
		want error
	}{
		{site("shop", 1, "wx1", "https://shop.example.com/cb"), nil},
		{site("shop", 1, "wx1", "https://shop.example.com/*"), nil},
		{site("mall", 2, "wx1", "https://shop.example.com/mall/cb"), registry.ErrRedirectTaken},
		{site("mall", 2, config.AllApps, "https://shop.example.com/mall/*"), registry.ErrRedirectTaken},
		{site("mall", 2, "wx2", "https://shop.example.com/mall/cb"), nil},
		{site("mall", 1, "wx2", "https://mall.example.com/cb"), registry.ErrKeyTaken},
	} {
		if err := r.PutClient(t.Context(), test.c); !errors.Is(err, test.want) {
			t.Errorf("%s with %s for %s: %v, want %v", test.c.Name, test.c.RedirectURIs, test.c.Apps, err, test.want)
		}
	}
}

func TestWhatMakesNoSenseIsNotStored(t *testing.T) {
	t.Parallel()
	r := run(t, openStore(t))
	bad := app("wx1", "x")
	bad.Source = "fast"
	if _, ok := errors.AsType[config.Problems](r.PutApp(t.Context(), bad)); !ok {
		t.Error("an app that makes no sense is stored")
	}
	if _, ok := errors.AsType[config.Problems](r.PutClient(t.Context(), client("shop"))); !ok {
		t.Error("a client without a key is stored")
	}
}

func TestDamagedRecordTakesNoOtherDown(t *testing.T) {
	t.Parallel()
	st := openStore(t)
	ctx := t.Context()
	for _, key := range []string{"app/wx1", "client/shop"} {
		if _, err := st.Put(ctx, store.Record{Key: key, Value: []byte("rubbish")}); err != nil {
			t.Fatal(err)
		}
	}
	r := run(t, st)
	if err := r.PutApp(ctx, app("wx2", "b")); err != nil {
		t.Fatal(err)
	}
	if err := r.PutApp(ctx, app("wx1", "a")); err != nil {
		t.Fatalf("a damaged record cannot be replaced: %v", err)
	}
	if err := r.DeleteClient(ctx, "shop"); err != nil {
		t.Fatalf("a damaged record cannot be deleted: %v", err)
	}
	for _, id := range []credential.App{"wx1", "wx2"} {
		if _, ok := r.App(id); !ok {
			t.Errorf("%s is not there", id)
		}
	}
}

// During an upgrade nodes of this version and of the next share a store. What
// the next one adds is passed over; what it writes in a form of its own is
// neither misread nor replaced.
func TestRecordsOfTheNextVersionAreLeftAlone(t *testing.T) {
	t.Parallel()
	st := openStore(t)
	ctx := t.Context()
	r := run(t, st)
	if err := errors.Join(r.PutApp(ctx, app("wx1", "a")), r.PutClient(ctx, client("shop", 1))); err != nil {
		t.Fatal(err)
	}
	next := func(key string, change func(value string) string) store.Record {
		t.Helper()
		rec, err := st.Get(ctx, key)
		if err == nil {
			rec.Value = []byte(change(string(rec.Value)))
			rec, err = st.Put(ctx, rec)
		}
		if err != nil {
			t.Fatal(err)
		}
		return rec
	}
	later := func(value string) string { return strings.Replace(value, `{"v":1,`, `{"v":2,"since":"tomorrow",`, 1) }
	more := func(value string) string {
		return strings.Replace(value, `{"v":1,`, `{"v":1,"of":{"tomorrow":[1.5,null]},`, 1)
	}
	there := func(r *registry.Registry) [2]bool {
		_, app := r.App("wx1")
		_, client := r.Client("shop")
		return [2]bool{app, client}
	}
	next("app/wx1", func(v string) string { return strings.Replace(more(v), `"a"`, `"b"`, 1) })
	next("client/shop", more)
	eventually(t, 10*time.Second, "an app with a key that is not known", func() bool { a, ok := r.App("wx1"); return ok && a.Name == "b" })
	if fresh := run(t, st); there(fresh) != [2]bool{true, true} {
		t.Error("keys that are not known keep a node from starting with what it knows")
	}

	a, c := next("app/wx1", later), next("client/shop", later)
	for what, err := range map[string]error{
		"app":    r.PutApp(ctx, app("wx1", "c")),
		"client": r.PutClient(ctx, client("shop", 2)),
	} {
		if !errors.Is(err, store.ErrLater) {
			t.Errorf("put over an %s of the next version: %v", what, err)
		}
	}
	for _, rec := range []store.Record{a, c} {
		if got, err := st.Get(ctx, rec.Key); err != nil || got.Version != rec.Version {
			t.Errorf("%s was written: %v", rec.Key, err)
		}
	}
	if a, ok := r.App("wx1"); !ok || a.Name != "b" {
		t.Error("what was known of the app is not in force any more")
	}
	if fresh := run(t, st); there(fresh) != [2]bool{} {
		t.Error("a node that begins now makes something of what it does not understand")
	}
	if err := errors.Join(r.DeleteApp(ctx, "wx1"), r.DeleteClient(ctx, "shop")); err != nil {
		t.Errorf("taking them out is understood by both: %v", err)
	}
}

func TestWithoutTheStoreWhatIsKnownStays(t *testing.T) {
	t.Parallel()
	st := openStore(t)
	r := registry.New(st, nil)
	ended := make(chan error, 1)
	go func() { ended <- r.Run(context.Background()) }()
	<-r.Loaded()
	if err := r.PutApp(t.Context(), app("wx1", "a")); err != nil {
		t.Fatal(err)
	}
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err == nil {
		t.Error("Run ended with nil although the store was closed under it")
	}
	if _, ok := r.App("wx1"); !ok {
		t.Error("the app went with the store")
	}
	if err := r.PutApp(t.Context(), app("wx2", "b")); !errors.Is(err, registry.ErrStore) {
		t.Errorf("PutApp: %v, want ErrStore", err)
	}
}

// TestChangesThatWereMissedAreFound: what went while nobody followed the store
// is gone after the next look, and what came is there.
func TestChangesThatWereMissedAreFound(t *testing.T) {
	t.Parallel()
	st := openStore(t)
	r, there := registry.New(st, nil), run(t, st)
	follow := func(until string, ok func() bool) {
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- r.Run(ctx) }()
		eventually(t, 5*time.Second, until, ok)
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
	known := func(id credential.App) bool { _, ok := r.App(id); return ok }
	for _, id := range []credential.App{"wx1", "wx2"} {
		if err := there.PutApp(t.Context(), app(id, "a")); err != nil {
			t.Fatal(err)
		}
	}
	if err := there.PutClient(t.Context(), client("shop", 1)); err != nil {
		t.Fatal(err)
	}
	follow("both apps are known", func() bool { _, ok := r.Client("shop"); return ok && known("wx1") && known("wx2") })
	if err := there.DeleteApp(t.Context(), "wx1"); err != nil {
		t.Fatal(err)
	}
	if err := there.DeleteClient(t.Context(), "shop"); err != nil {
		t.Fatal(err)
	}
	if err := there.PutApp(t.Context(), app("wx3", "c")); err != nil {
		t.Fatal(err)
	}
	follow("what was missed is known", func() bool {
		_, ok := r.ClientByKey(sum(1))
		return !ok && !known("wx1") && known("wx2") && known("wx3")
	})
}

func TestWatchSaysWhatMayHaveChanged(t *testing.T) {
	t.Parallel()
	r := run(t, openStore(t))
	ctx, cancel := context.WithCancel(t.Context())
	ids := r.Watch(ctx)
	var last credential.App
	next := func(want credential.App) {
		t.Helper()
		got := <-ids
		// The store says of our own write, too, that something changed: what was
		// said may be said again.
		for got != want && got == last {
			got = <-ids
		}
		if last = want; got != want {
			t.Errorf("Watch says %q, want %q", got, want)
		}
	}
	next("")
	if err := r.PutApp(t.Context(), app("wx1", "a")); err != nil {
		t.Fatal(err)
	}
	next("wx1")
	r.Declare(nil, nil)
	next("")
	cancel()
	for range ids {
	}
}

func TestClientOfOneAppMayNotManageAnother(t *testing.T) {
	t.Parallel()
	r := registry.New(openStore(t), nil)
	every, one := client("every", 1), client("one", 2)
	every.Apps = []credential.App{config.AllApps}
	r.Declare(nil, []config.Client{every, one})
	all, _ := r.Client("every")
	some, _ := r.Client("one")
	if !all.MayUse("wx9") || !all.Covers([]credential.App{"*"}) || !all.Covers([]credential.App{"wx1", "wx2"}) {
		t.Error("a client of all apps may not use all")
	}
	if some.MayUse("wx9") || some.Covers([]credential.App{"*"}) || some.Covers([]credential.App{"wx1", "wx2"}) {
		t.Error("a client of one app may use others")
	}
	if !some.MayUse("wx1") || !some.Covers([]credential.App{"wx1"}) {
		t.Error("a client may not use its own app")
	}
}
