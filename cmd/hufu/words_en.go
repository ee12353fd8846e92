package main

var english = map[string]string{
	"root.short": "the control server for WeChat's access tokens",
	"root.long": `Hufu keeps the short-lived tokens of your WeChat apps: it alone asks WeChat for
them, renews them ahead of time, and hands them to the programs that may use them.

New here? Run: hufu demo`,

	"help.usage":       "Usage:",
	"help.command":     "COMMAND",
	"help.commands":    "Commands (hufu COMMAND --help says more):",
	"help.flags":       "Flags:",
	"help.short":       "says more about a command",
	"completion.short": "prints a completion script for bash, zsh, fish or PowerShell",
	"usage.hint":       "hufu --help lists the commands, hufu COMMAND --help the flags of one",
	"usage.bad":        "%s",
	"help.default":     "(default",
	"args.app":         "one appid is needed",

	"demo.short": "a simulated WeChat, Hufu and a shop in one process: log in, see a token being renewed",
	"demo.long": `Runs a simulated WeChat at 60 times the speed, a Hufu server, a sample shop that logs
its visitors in through Hufu, and a small program that calls WeChat's API with the
tokens. Needs no configuration and no network.

Open http://localhost:8703 in a browser, log in as one of the simulated users, and
see the openid, the nickname and the two tokens that WeChat calls access_token.

Within two minutes both tokens are renewed: the classic one after about 90 seconds,
the stable one after about 115. Everything is forgotten at the end.`,
	"serve.short": "runs the server",
	"serve.long": `Runs the server with a configuration file, or with only HUFU_APPID and HUFU_SECRET
in the environment: one app, and one client whose key is written to client.key.

  hufu serve --config hufu.yaml
  HUFU_APPID=wx0123456789abcdef HUFU_SECRET=… hufu serve

hufu check --sample prints a configuration file to begin with. The file is followed
while the server runs; SIGHUP makes it look at once, SIGTERM ends it within 10 s.
HUFU_LOG is the least level of the log: debug, info, warn, error.`,
	"sim.short": "runs the simulated WeChat alone",
	"sim.long": `Runs a simulated WeChat for tests: tokens of both lines, quotas, refusals, and the
oddities that the real one has. It forgets everything when it ends.

  hufu sim --speed 60 --app wx0123456789abcdef:0123456789abcdef0123456789abcdef

Users log in where callback domains are given. WeChat takes only host names without a
port; --callback-ports allows what it does not, so that a laptop can be one:

  hufu sim --callback 127.0.0.1:8701 --callback-ports`,
	"check.short": "says everything that is wrong with a configuration",
	"check.long": `Reads a configuration and says everything that is wrong with it, each with its place.

With --online it also opens the store, which writes no record, and says whether the
master key belongs to it. It then asks WeChat with each AppSecret, to learn whether the secret is
right and this server's address is allowed. It always asks on the stable line, which
ends no token; it never asks on the classic line, where each answer would end the
token that programs use. The token that WeChat gives is thrown away.

Exit code 0: all is well, 1: the store or WeChat refused
or cannot be reached, 2: the
configuration does not pass.`,
	"client.short": "makes client keys",
	"client.long":  "Commands about clients, the programs that ask Hufu for tokens.",
	"key.short":    "makes a client key",
	"key.long":     "Makes a client key and prints it with its SHA-256, which is what the configuration holds.",
	"status.short": "shows the server and the state of every token",
	"status.long":  "Shows the server and the state of every token. HUFU_URL and HUFU_KEY say which server.",
	"token.short":  "prints an app's token",
	"token.long": `Prints an app's token and nothing else, so that $(hufu token APPID) works.
A client with tokens: phantom is given a phantom token, good for calls through
Hufu and for nothing else; standard error says so.`,
	"renew.short": "has a new token issued now",
	"renew.long": `Has a new token issued now, as far as WeChat's limits and the day's budget allow.
The old one works for about five more minutes.

With --leak two are issued one after the other, as WeChat keeps only two alive. The
command returns with the first; the leaked token is dead once the second is there:
within about five minutes on the classic line, within about one on the stable line.`,
	"apps.short":   "lists the apps, adds one, takes one out",
	"apps.long":    "Lists the apps of the server. Those of the configuration (file or environment) are changed there only.",
	"put.short":    "adds an app or replaces it",
	"put.long":     "Adds an app at run time, or replaces it. The AppSecret is read from a file or from\nstandard input, never from the command line, which others can see.",
	"delete.short": "takes an app out",
	"delete.long":  "Takes out an app that was added at run time.",
	"rekey.short":  "replaces the master key while nodes run",
	"rekey.long": `Puts a new master key into the key file, before the old one. Bring the file to every
node, in any order: the running nodes read it within ten seconds, and go over to the
new key once all of them have it. What is stored is sealed anew by itself.

Run it again to see how far they are (HUFU_URL and HUFU_KEY say which server), and
with --finish when they are done: then the old key is taken out of the file. It is
refused while anything is still sealed by the old key.`,
	"version.short": "prints the version",
	"version.long":  "Prints the version of this program.",

	"flag.help":        "what this is and how it is used",
	"flag.version":     "the version of this program",
	"flag.config":      "the configuration file (or HUFU_CONFIG)",
	"flag.json":        "print JSON, for programs",
	"flag.online":      "also open the store, and ask WeChat with each AppSecret",
	"flag.show":        "print the configuration in force, secrets left out",
	"flag.sample":      "print a configuration file to begin with",
	"flag.kind":        "the kind of credential",
	"flag.leak":        "the old token has leaked: issue twice, so that it dies",
	"flag.name":        "a name for people",
	"flag.source":      "stable or classic",
	"flag.type":        "official_account, mini_program or website",
	"flag.secret-file": "the file with the AppSecret; - is standard input",
	"flag.for":         "end after this time, as in 2m30s",
	"flag.sim.api":     "where the simulated API listens",
	"flag.sim.manage":  "where the management interface listens",
	"flag.sim.speed":   "how much faster than real its time passes",
	"flag.sim.app":     "an app as APPID:SECRET; several times for several",
	"flag.sim.tame":    "without the oddities of the real WeChat",

	"flag.sim.type":           "official_account, mini_program or website, for all apps",
	"flag.sim.callback":       "a callback domain of all apps; several times for several",
	"flag.sim.callback-ports": "callback domains may be addresses and have a port (WeChat allows neither)",

	"flag.finish":      "take the old keys out of the file, if nothing needs them",
	"config.none":      "no configuration",
	"config.none.hint": "give --config FILE (hufu check --sample prints one to begin with), or set HUFU_APPID and HUFU_SECRET",
	"config.here.hint": "there is one here: --config hufu.yaml",
	"config.bad":       "the configuration does not pass",
	"config.bad.hint":  "hufu check says the same without starting anything",
	"config.warning":   "warning: ",
	"config.hint":      "hint: ",
	"log.level":        "HUFU_LOG is no level of the log",
	"log.level.hint":   "debug, info, warn or error",

	"greet.title":    "Hufu %s, node %s",
	"greet.api":      "programs",
	"greet.web":      "browsers",
	"greet.admin":    "operators",
	"greet.key":      "hufu_…",
	"greet.key.made": "A client key was made and written to %s:",
	"greet.key.read": "The client key, from %s:",
	"greet.try":      "To try, in another terminal:",
	"greet.check":    "Should no token come: hufu check --online says why, and what to do.",
	"greet.stop":     "Ctrl-C ends it.",

	"check.passes":        "the configuration passes (apps: %d, clients: %d)",
	"store.opens":         "the store opens, and the master key is the right one",
	"store.none":          "there is no such file yet; the first start makes it",
	"store.used":          "hufu serve is running with it; hufu status says how it is",
	"store.key":           "%s holds the master key %s, and the store needs %s",
	"store.nokey":         "there is no master key file at %s, and the store already holds records, or is shared with others",
	"store.key.hint":      "put the master key file that belongs to this store there",
	"store.bad":           "it cannot be used: %v",
	"store.bad.hint":      "hufu serve would refuse to start, too",
	"store.failed":        "the store cannot be used as it is",
	"online.begin":        "asking %s with each AppSecret, on the stable line (which ends no token) …",
	"online.accepted":     "WeChat accepts the AppSecret and this server's address",
	"online.classic":      "its source is classic: the classic token was not touched",
	"online.website":      "a website app has no token of its own; not asked",
	"online.secret":       "secret %d",
	"online.failed":       "not every AppSecret was accepted",
	"online.unreachable":  "WeChat cannot be reached from here",
	"online.unclear.hint": "the answer is not one of WeChat's: something may stand in between, or WeChat is ill; try again in a minute",

	"reach.name":             "the name %s cannot be resolved: %v",
	"reach.name.hint":        "this machine's DNS does not know it: look at /etc/resolv.conf, at the container's DNS settings, and at wechat.api_url; if only a proxy may go out, set wechat.proxy_url",
	"reach.refused":          "%s refuses the connection: %v",
	"reach.refused.hint":     "nothing listens there, or a firewall says no: look at the port in wechat.api_url",
	"reach.silent":           "%s does not answer: %v",
	"reach.silent.hint":      "a firewall or a security group probably drops what goes out: allow TCP to port 443, or set wechat.proxy_url if only a proxy may go out",
	"reach.network":          "%s cannot be reached: %v",
	"reach.network.hint":     "look at this machine's network and routes",
	"reach.authority":        "the certificate that %s shows is signed by nobody this machine knows: %v",
	"reach.authority.hint":   "either the CA certificates are missing (install ca-certificates, or point SSL_CERT_FILE to them), or something in between opens TLS; do not go on in that case",
	"reach.clock":            "the certificate of %s is not valid today: %v",
	"reach.clock.hint":       "look at this machine's clock first",
	"reach.certificate":      "%s shows a certificate that is not its own: %v",
	"reach.certificate.hint": "something in between answers in its place, or wechat.api_url names the wrong host",
	"reach.tls":              "no TLS with %s: %v",
	"reach.tls.hint":         "something in between cuts the connection, or wechat.api_url should begin with http://",
	"reach.proxy":            "the egress proxy %s cannot be reached: %v",
	"reach.proxy.hint":       "look at wechat.proxy_url and at whether the proxy runs",
	"reach.tunnel":           "the egress proxy %s answers, and there is no way through it to %s: %s",
	"reach.tunnel.hint":      "the proxy must allow CONNECT to %s, and its user and password must be right",
	"reach.again.hint":       "the way is open now; try again",
	"reach.env.hint":         "HTTPS_PROXY of the environment is not used for WeChat, on purpose: which address calls WeChat is a setting.",

	"remote.url":               "HUFU_URL is no address",
	"remote.url.hint":          "as in HUFU_URL=http://127.0.0.1:8700, where listen.api is",
	"remote.key":               "HUFU_KEY is not set",
	"remote.key.hint":          "set it to a client key; a server started with HUFU_APPID and HUFU_SECRET has one: export HUFU_KEY=$(cat client.key)",
	"remote.away":              "no answer from %s: %v",
	"remote.away.hint":         "is hufu serve running there? HUFU_URL says where listen.api is",
	"remote.plain.hint":        "that server speaks no TLS: begin HUFU_URL with http://",
	"remote.unauthorized.hint": "HUFU_KEY is no key of a client there: compare it with key_sha256 in the configuration, or with client.key beside the store",
	"remote.missing.hint":      "look at the appid, at the apps of this client, and at HUFU_URL: %s must be listen.api (port 8700), without a path",
	"remote.declared":          "it stands in the configuration (file or environment) and is read-only here",
	"remote.declared.hint":     "change it there: in the file of every node, or in HUFU_APPID and HUFU_SECRET",
	"remote.stranger":          "what answers at %s is not Hufu",
	"remote.stranger.hint":     "HUFU_URL must name listen.api (port 8700), not listen.web or listen.admin, and begin with https:// if it speaks TLS",
	"remote.refused":           "WeChat answered %d: %s",
	"remote.ip":                "(WeChat saw the address %s)",

	"status.server":           "%s: node %s, version %s, up for %s",
	"status.config.bad":       "the configuration's files do not pass; what was read at %s stays in force:",
	"status.store.bad":        "the store does not take what is written: %s; live tokens are served, nothing is issued until it does",
	"status.restart":          "changed in the file, and in force only after a restart: %s",
	"status.key.bad":          "the master key: %s",
	"status.key.moves":        "the master key is being replaced; hufu rekey says how far the nodes are",
	"status.unreachable.hint": "hufu check --online, on the server, says more about it",

	"state.absent":  "none yet",
	"state.fresh":   "fresh",
	"state.due":     "due",
	"state.expired": "expired",
	"state.blocked": "blocked",
	"state.doubt":   "(in doubt)",

	"head.app":        "APP",
	"head.name":       "NAME",
	"head.kind":       "KIND",
	"head.type":       "TYPE",
	"head.source":     "SOURCE",
	"head.from":       "FROM",
	"head.state":      "STATE",
	"head.generation": "GENERATION",
	"head.age":        "AGE",
	"head.expires":    "EXPIRES IN",
	"head.next":       "NEXT IN",
	"head.budget":     "BUDGET",

	"rekey.none":        "there is no master key file at %s",
	"rekey.none.hint":   "run this where hufu serve runs, with its configuration; a new store gets its key when it is first opened",
	"rekey.begun":       "%s begins with the new master key %s now.",
	"rekey.goes":        "a new master key is on its way; %s holds %s.",
	"rekey.next":        "Bring this file to every node (mode 0600). Run hufu rekey again to see how far they are; when they are done, hufu rekey --finish here, and bring the file to every node once more. Keep the old key with the backups that were made under it.",
	"rekey.finished":    "%s holds master key %s alone. Bring this file to every node. Keep the old key with the backups that were made under it.",
	"rekey.early":       "the old master key stays in %s: it is still needed",
	"rekey.early.hint":  "bring the file to the nodes that lack it, and try again in a minute",
	"rekey.busy":        "the nodes are not at rest with the master key they have; no new one was made",
	"rekey.busy.hint":   "bring them all to the same key file first; here it is %s",
	"rekey.write":       "%s cannot be written: %v",
	"rekey.write.hint":  "nothing was changed; run it as the user that hufu serve runs as, or as root",
	"rekey.state.done":  "nothing is sealed by another key than %s any more: hufu rekey --finish takes the old one out",
	"rekey.state.waits": "waiting for %s: the key file there does not begin with %s yet",
	"rekey.state.left":  "%d records were not under the new key at the last look; logins that end within 15 minutes are waited for",
	"rekey.state.looks": "the nodes are on their way; look again in a minute",
	"apps.none":         "no apps",
	"apps.declared":     "file or environment",
	"apps.stored":       "run time",
	"put.secret":        "the AppSecret cannot be read: %v",
	"put.secret.hint":   "give --secret-file FILE, or write it to standard input",
	"put.done":          "%s is in force on this node; the others follow within 5 s",
	"delete.done":       "%s is gone",
	"token.phantom":     "This is a phantom token: WeChat's API takes it through %s only. A client with tokens: real is given WeChat's own.",
	"renew.done":        "%s %s: generation %d",
	"renew.phantom":     "%s %s: renewed. The phantom tokens of this client go on as they are; hufu status shows the new generation.",
	"renew.leak":        "A second issue follows by itself; then the leaked token is dead: within about five minutes (classic) or one (stable). hufu status shows the generation.",
	"key.keep":          "Give the key to the program; put key_sha256 into the configuration. The key is not shown again.",

	"sim.speed":       "the speed makes no sense",
	"sim.speed.hint":  "more than 0 and at most 1000; 60 makes two hours pass in two minutes",
	"sim.app":         "an app must be APPID:SECRET",
	"sim.app.hint":    "as in --app wx0123456789abcdef:0123456789abcdef0123456789abcdef",
	"sim.listen.hint": "other ports: --api 127.0.0.1:0 --manage 127.0.0.1:0",
	"sim.hello": `A simulated WeChat
  API         %[1]s
  management  %[2]s   (history, violations, faults; GET / lists its paths)
  time        %[3]gx: a token lives %[4]v

To try:
  curl "%[1]s/cgi-bin/token?grant_type=client_credential&appid=%[5]s&secret=%[6]s"
  curl %[2]s/history
For Hufu: HUFU_WECHAT_API_URL=%[1]s HUFU_WECHAT_LIFE=%[4]v HUFU_APPID=%[5]s HUFU_SECRET=%[6]s hufu serve
`,
	"sim.type":          "there is no such type of app",
	"sim.type.hint":     "official_account, mini_program or website",
	"sim.callback.hint": "as in --callback auth.example.com, or for a laptop --callback 127.0.0.1:8701 --callback-ports; two at most",
	"sim.login": `To log in, open in a browser (it ends at the callback, whoever is there):
  %[1]s
`,

	"demo.for":      "the time makes no sense",
	"demo.for.hint": "as in --for 2m30s",
	"demo.shop":     "Open %s in a browser: a shop to sign in to through Hufu.",
	"demo.intro": `Hufu's demo: a simulated WeChat at %d times the speed (%s), a Hufu server
(%s), the shop, and a small program for each of two apps that calls
WeChat's API. The configuration is in %s; the server follows it.`,
	"demo.try":                "To try, in another terminal (after the line export … below):",
	"demo.try.renew":          "a new token now",
	"demo.first":              "First, in that other terminal:",
	"demo.try.read":           "the token, by Hufu's own API",
	"demo.try.report":         "say that a token does not work, and be given the one that does",
	"demo.try.wechat":         "the token, on WeChat's own path: the client key stands where the AppSecret stood",
	"demo.try.call":           "call (the simulated) WeChat with it",
	"demo.try.gateway":        "call WeChat through Hufu, without a token",
	"demo.try.metrics":        "metrics",
	"demo.try.examples":       "an SDK behind Hufu, in a clone of Hufu's repository; others are in examples/README.md",
	"demo.wait":               "The classic token is renewed after about 90 s, the stable one after about 115 s. Ctrl-C ends it.",
	"demo.issued":             "token %d issued, lives %d s",
	"demo.renewed":            "token %d → %d, the old one still works for %.0f s",
	"demo.old_ended":          "token %d has ended",
	"demo.violation":          "the simulator minds: %s",
	"demo.totals":             "%d calls, %d refused · %d reads from Hufu · %d issues by WeChat · %d violations",
	"rule.asked-again":        "replaced a live token early",
	"rule.sent-twice":         "sent the same request twice",
	"rule.repeated-too-soon":  "asked again too soon after a lost answer",
	"rule.ignored-quota":      "asked after the day's quota was spent",
	"rule.ignored-minute":     "asked within the minute of a 45011",
	"rule.ignored-refusal":    "asked again though a person must act first",
	"rule.forced-too-soon":    "forced twice within 30 s",
	"rule.secret-in-url":      "an AppSecret in a URL",
	"rule.token-misplaced":    "a token in a header or a body",
	"rule.wrong-token":        "one kind of token where the other is meant",
	"rule.code-twice":         "a code exchanged twice",
	"rule.code-too-late":      "a code exchanged too late",
	"rule.no-wechat-redirect": "a browser sent on without #wechat_redirect",
	"rule.foreign-host":       "a request for a host that is not WeChat's",
	"rule.ticket-too-soon":    "a ticket asked for again long before its end",
	"rule.dead-token-shown":   "a ticket asked for with a token that was refused",

	"demo.next":  "next in %s",
	"demo.token": "token %d",
	"demo.age":   "age %5s",
	"demo.end":   "The demo has ended; nothing is left behind. %s",
}
