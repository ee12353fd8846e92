// Package config reads the settings of one process: the configuration file,
// the environment, and the apps and clients that the file declares. It says
// everything that is wrong at once, each with its file, line and column, and
// never quotes a value, since any value may be a misplaced secret.
//
// App and Client are also the JSON bodies of the API and what the registry
// stores; they are decoded, checked and complained about in the same way.
//
// One table of keys, made of the struct tags below, drives the file, the
// environment, the suggestions and the printing:
//
//	yaml     the key; a credential.Secret may also be given as <key>_file
//	default  the value where none is given
//	oneof    the words that are allowed, separated by |
//	path     a file name: a relative one in the file starts at the file's folder
package config

import (
	"net/netip"
	"time"

	"github.com/hufu-project/hufu/internal/credential"
)

// Config is the whole of one process. It is made by Load or FromEnv and is not
// changed afterwards, so any number of goroutines may read it.
//
// Every key that holds one value, or a list of plain values, can be set by an
// environment variable: HUFU_ and its path in capitals, as in HUFU_LISTEN_API
// or HUFU_WECHAT_LIFE; a list is separated by commas. An empty variable is as
// good as none. A relative file name in the file starts at the file's folder;
// one in the environment, and every default, at the working directory.
type Config struct {
	Listen Listen `yaml:"listen"`
	// TLS is for listen.api and listen.admin; listen.web usually stands behind
	// a proxy.
	TLS TLS `yaml:"tls"`
	// Plaintext lets api and admin listen beyond loopback without TLS.
	Plaintext bool `yaml:"plaintext"`
	// TrustedProxies are those whose X-Forwarded-For and -Proto are believed.
	TrustedProxies []netip.Prefix `yaml:"trusted_proxies"`
	// WebURL is how browsers reach listen.web; it may have a path and has no
	// slash at its end. Without one, no app without its own can log users in.
	WebURL string `yaml:"web_url"`
	// Store is bolt:FILE, or a redis, rediss, postgres or mysql URL. It is a
	// secret because a URL may hold a password; StoreName is for logs.
	Store credential.Secret `yaml:"store" default:"bolt:hufu.db" path:"true"`
	// MasterKeyFile encrypts what is stored; by default it is beside the
	// embedded store. It need not exist: it is made on the first start with an
	// empty embedded store.
	MasterKeyFile string  `yaml:"master_key_file" default:"hufu.key" path:"true"`
	WeChat        WeChat  `yaml:"wechat"`
	Gateway       Gateway `yaml:"gateway"`
	Audit         Audit   `yaml:"audit"`
	// VerifyFiles are served at the root of listen.web: name to content.
	VerifyFiles map[string]string `yaml:"verify_files"`
	// Apps and Clients are declared here and read-only at run time.
	Apps    []App    `yaml:"apps"`
	Clients []Client `yaml:"clients"`

	// EnvClient says that the process was configured by HUFU_APPID and
	// HUFU_SECRET alone. Its one client is then Clients[0], as EnvClientName
	// with every right; the caller makes its key and fills in KeySHA256.
	EnvClient bool `yaml:"-"`
	// Warnings do not stop a start. They are sorted as in Problems.
	Warnings Problems `yaml:"-"`

	origin origin
}

// EnvClientName is the name of the one client of the environment.
const EnvClientName = "default"

// Listen are the three addresses, host:port. An empty host is every address of
// the machine, port 0 any free one.
type Listen struct {
	// API is for programs: credentials and the gateway.
	API string `yaml:"api" default:"127.0.0.1:8700"`
	// Web is for browsers: web authorization.
	Web string `yaml:"web" default:"127.0.0.1:8701"`
	// Admin is for the console, metrics and health.
	Admin string `yaml:"admin" default:"127.0.0.1:8702"`
}

// TLS names a certificate chain and its key, both PEM, re-read when changed.
// Either both are given or none.
type TLS struct {
	CertFile string `yaml:"cert_file" path:"true"`
	KeyFile  string `yaml:"key_file" path:"true"`
}

// WeChat is where upstream is and what it promises.
type WeChat struct {
	// APIURL and OpenURL have no slash at their end. They may name another
	// Hufu; then an app's secret is a client key of that one.
	APIURL  string `yaml:"api_url" default:"https://api.weixin.qq.com"`
	OpenURL string `yaml:"open_url" default:"https://open.weixin.qq.com"`
	// Life is how long a token lives, as WeChat promises today. Every time
	// that belongs to the platform scales with it.
	Life time.Duration `yaml:"life" default:"2h"`
	// ProxyURL is an http or https proxy for calls to upstream, where
	// one address is on WeChat's allow-list. It may hold a password.
	ProxyURL credential.Secret `yaml:"proxy_url"`
}

// Gateway bounds the calls of WeChat's API that pass through Hufu.
type Gateway struct {
	// MaxBody is how long the body of a call may be, in bytes. Answers have no
	// such bound.
	MaxBody Size `yaml:"max_body" default:"20MiB"`
	// Timeout is how long WeChat may take to begin its answer, once a call is
	// sent.
	Timeout time.Duration `yaml:"timeout" default:"30s"`
	// Concurrency is how many calls may be under way on this node at a time.
	Concurrency int `yaml:"concurrency" default:"1000"`
}

// Audit says where the audit record goes, as JSON lines.
type Audit struct {
	// File is appended to; "" is standard output.
	File string `yaml:"file" path:"true"`
	// Required: nothing new is handed out that cannot be recorded.
	Required bool `yaml:"required"`
}
