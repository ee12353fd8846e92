module github.com/hufu-project/hufu

go 1.26.0

// What the program is built of.
require (
	github.com/a-h/templ v0.3.977 // pages that are checked when they are compiled; html/template would double the binary
	github.com/go-sql-driver/mysql v1.10.1 // MySQL and MariaDB
	github.com/jackc/pgx/v5 v5.12.0 // PostgreSQL, with its notices; database/sql has none
	github.com/prometheus/client_golang v1.25.0 // metrics in the form that everybody scrapes
	github.com/redis/rueidis v1.0.79 // Redis: one server, Sentinels, a cluster; pipelines by itself
	github.com/spf13/cobra v1.10.2 // commands, help and completion; keeps the binary small
	go.etcd.io/bbolt v1.5.0 // the embedded store: one file, durable, locked
	go.yaml.in/yaml/v4 v4.0.0 // every mistake in a file with its line and column
	golang.org/x/term v0.47.0 // is it a person who reads this
	rsc.io/qr v0.2.0 // the QR code on the page "open in WeChat"
)

// What only tests need.
require (
	github.com/chromedp/cdproto v0.159.0 // what Chromium is told that chromedp has no word for
	github.com/chromedp/chromedp v0.23.0 // a real browser walks the logins
	github.com/google/go-cmp v0.7.0 // differences that can be read
	github.com/rogpeppe/go-internal v1.16.0 // testscript: the commands, as users type them
	go.uber.org/goleak v1.3.0 // no goroutine outlives a server
	pgregory.net/rapid v1.3.0 // the store against a model
)

require (
	filippo.io/edwards25519 v1.2.0 // indirect
	github.com/beorn7/perks v1.0.1 // indirect
	github.com/cespare/xxhash/v2 v2.3.0 // indirect
	github.com/go-json-experiment/json v0.0.0-20260213210345-44df1a37e875 // indirect
	github.com/inconshreveable/mousetrap v1.1.0 // indirect
	github.com/jackc/pgpassfile v1.0.0 // indirect
	github.com/jackc/pgservicefile v0.0.0-20240606120523-5a60cdf6a761 // indirect
	github.com/jackc/puddle/v2 v2.2.3 // indirect
	github.com/munnerz/goautoneg v0.0.0-20191010083416-a7dc8b61c822 // indirect
	github.com/prometheus/client_model v0.6.3 // indirect
	github.com/prometheus/common v0.72.0 // indirect
	github.com/prometheus/procfs v0.22.0 // indirect
	github.com/spf13/pflag v1.0.10 // indirect
	golang.org/x/sync v0.23.0 // indirect
	golang.org/x/sys v0.49.0 // indirect
	golang.org/x/text v0.42.0 // indirect
	golang.org/x/tools v0.49.0 // indirect
	google.golang.org/protobuf v1.36.12 // indirect
)
