package keeper

import (
	"context"
	"fmt"
	"net/http"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/hufu-project/hufu/internal/config"
	"github.com/hufu-project/hufu/internal/credential"
	"github.com/hufu-project/hufu/internal/registry"
	"github.com/hufu-project/hufu/internal/store"
	"github.com/hufu-project/hufu/internal/store/bolt"
	"github.com/hufu-project/hufu/internal/store/sealed"
	"github.com/hufu-project/hufu/internal/wechat"
)

// BenchmarkHundredThousandApps starts a node on a sealed embedded store that
// holds 100,000 apps with live tokens, and measures the time until the last
// can be read, the memory of each, and how the renewals to come are spread.
func BenchmarkHundredThousandApps(b *testing.B) {
	const apps = 100_000
	for _, source := range bothSources {
		b.Run(source, func(b *testing.B) {
			path := filepath.Join(memoryDir(b), "hufu.db")
			keys := sealed.NewKeyring(sealed.NewKey())
			fill(b, path, keys, source, apps)
			for b.Loop() {
				start(b, path, keys, apps)
			}
		})
	}
}

func appID(i int) credential.App { return credential.App(fmt.Sprintf("wx%016x", i)) }

// fill writes apps and credentials as a node would have. All were issued
// within the last life, as in a house that has run for a while.
func fill(b *testing.B, path string, keys *sealed.Keyring, source string, apps int) {
	raw, err := bolt.Open(path)
	if err != nil {
		b.Fatal(err)
	}
	defer raw.Close()
	fillStore(b, raw, keys, source, apps)
}

func fillStore(b *testing.B, raw store.Store, keys *sealed.Keyring, source string, apps int) {
	st, err := sealed.Open(b.Context(), raw, keys)
	if err != nil {
		b.Fatal(err)
	}
	now := time.Now()
	var wg sync.WaitGroup
	for w := range 64 {
		wg.Go(func() {
			for i := w; i < apps; i += 64 {
				id := appID(i)
				asked := now.Add(-time.Duration(float64(i) / float64(apps) * float64(80*time.Minute)))
				r := record{Format: format, Source: source, Value: fmt.Sprintf("91_%0130d", i), Generation: 7, Asked: asked, Answered: asked, Life: 2 * time.Hour, Expires: asked.Add(2*time.Hour - 5*time.Second)}
				value, _ := r.encode()
				app := config.App{AppID: id, Name: string(id), Secrets: []credential.Secret{credential.NewSecret(fmt.Sprintf("%032x", 0x5ec4e7+i))}, Source: source, Type: config.OfficialAccount, DailyQuota: 2000}
				for k, v := range map[string][]byte{storeKey(credential.Key{App: id, Kind: credential.AccessToken}): value, "app/" + string(id): config.EncodeApp(app)} {
					if _, err := st.Put(context.Background(), store.Record{Key: k, Value: v}); err != nil {
						b.Error(err)
						return
					}
				}
			}
		})
	}
	wg.Wait()
}

type refusing struct{}

func (refusing) RoundTrip(*http.Request) (*http.Response, error) { return nil, errCut }

func start(b *testing.B, path string, keys *sealed.Keyring, apps int) {
	b.StopTimer()
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	b.StartTimer()

	raw, err := bolt.Open(path)
	if err != nil {
		b.Fatal(err)
	}
	st, err := sealed.Open(b.Context(), raw, keys)
	if err != nil {
		b.Fatal(err)
	}
	reg := registry.New(st, nil)
	up, err := wechat.New(wechat.Options{APIURL: "https://api.weixin.qq.com", Timeout: time.Second, Transport: refusing{}})
	if err != nil {
		b.Fatal(err)
	}
	k := New(Options{Store: st, Registry: reg, Upstream: up, Life: 2 * time.Hour, TagKey: []byte("test"), Alone: true})
	ctx, cancel := context.WithCancel(b.Context())
	var wg sync.WaitGroup
	wg.Go(func() { _ = reg.Run(ctx) })
	wg.Go(func() { _ = k.Run(ctx) })
	<-reg.Loaded()
	for i := 0; i < apps; {
		if _, err := k.Get(ctx, credential.Key{App: appID(i), Kind: credential.AccessToken}); err != nil {
			time.Sleep(time.Millisecond)
			continue
		}
		i++
	}
	b.StopTimer()
	runtime.GC()
	runtime.ReadMemStats(&after)
	b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/float64(apps), "B/app")
	b.ReportMetric(spread(k), "peak/mean-renewals-per-s")
	cancel()
	wg.Wait()
	if err := st.Close(); err != nil {
		b.Fatal(err)
	}
	b.StartTimer()
}

// spread is the busiest second of renewals over the mean one.
func spread(k *Keeper) float64 {
	var at []int64
	for s := range k.All() {
		at = append(at, s.NextAt.Unix())
	}
	slices.Sort(at)
	perSecond := map[int64]int{}
	peak := 0
	for _, s := range at {
		perSecond[s]++
		peak = max(peak, perSecond[s])
	}
	return float64(peak) / (float64(len(at)) / float64(at[len(at)-1]-at[0]+1))
}
