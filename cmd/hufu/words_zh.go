package main

var chinese = map[string]string{
	"root.short": "微信 access_token 的中控服务器",
	"root.long": `虎符保管微信应用的短期凭据：只由它向微信获取令牌，提前续期，再交给有权使用的程序。

第一次使用？请运行：hufu demo`,

	"help.usage":       "用法：",
	"help.command":     "命令",
	"help.commands":    "命令（hufu 命令 --help 查看详情）：",
	"help.flags":       "选项：",
	"help.short":       "查看某个命令的说明",
	"completion.short": "输出 bash、zsh、fish 或 PowerShell 的补全脚本",
	"usage.hint":       "hufu --help 列出所有命令，hufu 命令 --help 列出该命令的选项",
	"usage.bad":        "用法有误：%s",
	"help.default":     "(默认",
	"args.app":         "需要一个 appid",

	"demo.short": "在一个进程里运行模拟微信、虎符和示例商店：登录试试，看令牌续期",
	"demo.long": `以 60 倍速运行模拟微信、一个虎符服务器、一个通过虎符登录的示例商店，以及用令牌调用
微信接口的示例程序。不需要配置，也不需要网络。

用浏览器打开 http://localhost:8703，以模拟用户的身份登录，就能看到 openid、昵称，以及
微信都叫 access_token 的两种令牌。

两分钟之内两个令牌都会续期：普通版约 90 秒后，稳定版约 115 秒后。结束后不留下任何东西。`,
	"serve.short": "运行服务器",
	"serve.long": `用配置文件运行服务器；或者只用环境变量 HUFU_APPID 和 HUFU_SECRET：
一个应用、一个调用方，其密钥写入 client.key。

  hufu serve --config hufu.yaml
  HUFU_APPID=wx0123456789abcdef HUFU_SECRET=… hufu serve

hufu check --sample 输出一份可供起步的配置文件。运行期间会跟踪配置文件的变化；
SIGHUP 立即检查一次，SIGTERM 在 10 秒内结束。
HUFU_LOG 是日志的最低级别：debug、info、warn、error。`,
	"sim.short": "只运行模拟微信",
	"sim.long": `运行供测试用的模拟微信：两种令牌、配额、各种拒绝，以及真实微信的种种怪癖。
结束后什么都不保留。

  hufu sim --speed 60 --app wx0123456789abcdef:0123456789abcdef0123456789abcdef

给出授权域名后就能模拟用户登录。微信只接受不带端口的域名；--callback-ports 放宽这一条，
这样本机也能作为授权域名：

  hufu sim --callback 127.0.0.1:8701 --callback-ports`,
	"check.short": "指出配置中的所有问题",
	"check.long": `读取配置，指出其中的所有问题和位置。

加上 --online 时，先打开存储（不写入任何记录），看主密钥是否配套；再用每个 AppSecret 询问微信：密钥是否正确、本服务器的 IP 是否允许。
它总是使用稳定版接口，不会使任何令牌失效；绝不使用普通版接口，那里的每次应答都会使
程序正在使用的令牌失效。微信给出的令牌会被丢弃。

退出码 0：一切正常；1：微信拒绝或无法连接；2：配置未通过。`,
	"client.short": "生成调用方密钥",
	"client.long":  "与调用方有关的命令。调用方是向虎符索取令牌的程序。",
	"key.short":    "生成一个调用方密钥",
	"key.long":     "生成一个调用方密钥，并输出它的 SHA-256；配置中只写 SHA-256。",
	"status.short": "查看服务器和所有令牌的状态",
	"status.long":  "查看服务器和所有令牌的状态。HUFU_URL 和 HUFU_KEY 指明服务器。",
	"token.short":  "输出应用的令牌",
	"token.long": `只输出应用的令牌，可直接用于 $(hufu token APPID)。
配置为 tokens: phantom 的调用方拿到的是替身令牌，只能经虎符调用微信，标准错误上会有说明。`,
	"renew.short": "立即签发新令牌",
	"renew.long": `在微信的限制和当日预算之内，立即签发新令牌。旧令牌还能再用大约五分钟。

加上 --leak 时先后签发两次，因为微信只保留最近的两个令牌。第一次签发后命令即返回，
第二次完成后泄露的令牌才失效：普通版大约五分钟内，稳定版大约一分钟内。`,
	"apps.short":   "列出、添加、移除应用",
	"apps.long":    "列出服务器上的应用。写在配置（文件或环境变量）里的应用只能在那里修改。",
	"put.short":    "添加或替换应用",
	"put.long":     "在运行时添加或替换应用。AppSecret 从文件或标准输入读取，\n绝不放在命令行上，因为命令行会被别人看到。",
	"delete.short": "移除应用",
	"delete.long":  "移除在运行时添加的应用。",
	"rekey.short":  "不停机更换主密钥",
	"rekey.long": `在密钥文件里生成一把新的主密钥，排在旧密钥之前。把文件分发到每个节点，先后不限：
运行中的节点十秒内会读到它，等所有节点都有了新密钥才一起换用，已存的内容会自动重新加密。

再次运行可查看进度（HUFU_URL 和 HUFU_KEY 指明服务器）；完成后加 --finish 运行，旧密钥
才从文件中移除。只要还有内容用旧密钥加密，就会拒绝移除。`,
	"version.short": "输出版本",
	"version.long":  "输出本程序的版本。",

	"flag.help":        "查看说明和用法",
	"flag.version":     "输出本程序的版本",
	"flag.config":      "配置文件（或用 HUFU_CONFIG）",
	"flag.json":        "输出 JSON，供程序读取",
	"flag.online":      "同时打开存储，并用每个 AppSecret 询问微信",
	"flag.show":        "输出生效的配置，隐去密钥",
	"flag.sample":      "输出一份可供起步的配置文件",
	"flag.kind":        "凭据种类",
	"flag.leak":        "旧令牌已泄露：连续签发两次，使它失效",
	"flag.name":        "便于辨认的名称",
	"flag.source":      "stable（稳定版）或 classic（普通版）",
	"flag.type":        "official_account、mini_program 或 website",
	"flag.secret-file": "存放 AppSecret 的文件；- 表示标准输入",
	"flag.for":         "运行多久后结束，如 2m30s",
	"flag.sim.api":     "模拟接口的监听地址",
	"flag.sim.manage":  "管理接口的监听地址",
	"flag.sim.speed":   "时间流逝的倍数",
	"flag.sim.app":     "应用，写作 APPID:SECRET；可多次给出",
	"flag.sim.tame":    "不模拟真实微信的怪癖",

	"flag.sim.type":           "所有应用的类型：official_account、mini_program 或 website",
	"flag.sim.callback":       "所有应用的网页授权域名；可多次给出",
	"flag.sim.callback-ports": "授权域名可以是 IP 地址，也可以带端口（微信都不允许）",

	"flag.finish":      "确认不再需要后，从文件中移除旧密钥",
	"config.none":      "没有配置",
	"config.none.hint": "请用 --config 指定文件（hufu check --sample 输出一份样例），或设置 HUFU_APPID 和 HUFU_SECRET",
	"config.here.hint": "当前目录下就有一份：--config hufu.yaml",
	"config.bad":       "配置未通过",
	"config.bad.hint":  "hufu check 只检查配置，不启动任何东西",
	"config.warning":   "警告：",
	"config.hint":      "提示：",
	"log.level":        "HUFU_LOG 不是日志级别",
	"log.level.hint":   "可用 debug、info、warn、error",

	"greet.title":    "虎符 %s，节点 %s",
	"greet.api":      "程序",
	"greet.web":      "浏览器",
	"greet.admin":    "运维",
	"greet.key":      "hufu_…",
	"greet.key.made": "已生成调用方密钥并写入 %s：",
	"greet.key.read": "调用方密钥（取自 %s）：",
	"greet.try":      "在另一个终端里试试：",
	"greet.check":    "如果取不到令牌：hufu check --online 会说明原因和办法。",
	"greet.stop":     "按 Ctrl-C 结束。",

	"check.passes":        "配置通过：%d 个应用，%d 个调用方",
	"store.opens":         "存储可以打开，主密钥正确",
	"store.none":          "还没有这个文件，首次启动时会生成",
	"store.used":          "hufu serve 正在使用它，状态请看 hufu status",
	"store.key":           "%s 里的主密钥是 %s，而存储需要 %s",
	"store.nokey":         "%s 处没有主密钥文件，而存储里已有内容，或与其他节点共用",
	"store.key.hint":      "请把与该存储配套的主密钥文件放到那里",
	"store.bad":           "无法使用：%v",
	"store.bad.hint":      "hufu serve 也会因此拒绝启动",
	"store.failed":        "存储目前无法使用",
	"online.begin":        "正在用每个 AppSecret 询问 %s（稳定版接口，不会使任何令牌失效）……",
	"online.accepted":     "微信接受该 AppSecret 和本服务器的 IP",
	"online.classic":      "其令牌来源为普通版：普通版令牌未受影响",
	"online.website":      "网站应用没有自己的令牌，不询问",
	"online.secret":       "密钥 %d",
	"online.failed":       "并非每个 AppSecret 都被接受",
	"online.unreachable":  "从这里无法连接微信",
	"online.unclear.hint": "这不是微信的应答：中间可能有别的设备，或微信暂时异常；请一分钟后再试",

	"reach.name":             "域名 %s 无法解析：%v",
	"reach.name.hint":        "本机 DNS 查不到它：请检查 /etc/resolv.conf、容器的 DNS 设置和 wechat.api_url；如果只有代理能出网，请设置 wechat.proxy_url",
	"reach.refused":          "%s 拒绝连接：%v",
	"reach.refused.hint":     "那里没有服务在监听，或被防火墙拒绝：请检查 wechat.api_url 的端口",
	"reach.silent":           "%s 没有应答：%v",
	"reach.silent.hint":      "很可能被防火墙或安全组丢弃：请放行到 443 端口的出站 TCP；如果只有代理能出网，请设置 wechat.proxy_url",
	"reach.network":          "无法连接 %s：%v",
	"reach.network.hint":     "请检查本机的网络和路由",
	"reach.authority":        "%s 出示的证书由本机不认识的机构签发：%v",
	"reach.authority.hint":   "要么缺少 CA 证书（请安装 ca-certificates，或用 SSL_CERT_FILE 指定），要么中间有设备在解密 TLS；若是后者请不要继续",
	"reach.clock":            "%s 的证书今天无效：%v",
	"reach.clock.hint":       "请先检查本机的时钟",
	"reach.certificate":      "%s 出示的证书不是它自己的：%v",
	"reach.certificate.hint": "中间有设备冒充应答，或 wechat.api_url 写错了主机",
	"reach.tls":              "无法与 %s 建立 TLS 连接：%v",
	"reach.tls.hint":         "连接被中间设备切断，或 wechat.api_url 应以 http:// 开头",
	"reach.proxy":            "无法连接出口代理 %s：%v",
	"reach.proxy.hint":       "请检查 wechat.proxy_url，以及代理是否在运行",
	"reach.tunnel":           "出口代理 %s 有应答，但无法经它到达 %s：%s",
	"reach.tunnel.hint":      "代理必须允许对 %s 的 CONNECT，用户名和密码也必须正确",
	"reach.again.hint":       "现在可以连通了，请再试一次",
	"reach.env.hint":         "环境变量 HTTPS_PROXY 有意不用于访问微信：由哪个 IP 访问微信应由配置决定。",

	"remote.url":               "HUFU_URL 不是地址",
	"remote.url.hint":          "例如 HUFU_URL=http://127.0.0.1:8700，即 listen.api 的地址",
	"remote.key":               "没有设置 HUFU_KEY",
	"remote.key.hint":          "请设为调用方密钥；只用 HUFU_APPID 和 HUFU_SECRET 启动的服务器已有一个：export HUFU_KEY=$(cat client.key)",
	"remote.away":              "%s 没有应答：%v",
	"remote.away.hint":         "hufu serve 在运行吗？HUFU_URL 应为 listen.api 的地址",
	"remote.plain.hint":        "对方没有使用 TLS：HUFU_URL 请以 http:// 开头",
	"remote.unauthorized.hint": "HUFU_KEY 不是那里任何调用方的密钥：请与配置中的 key_sha256 或存储旁的 client.key 核对",
	"remote.missing.hint":      "请检查 appid、该调用方的 apps，以及 HUFU_URL：%s 应为 listen.api（端口 8700），不带路径",
	"remote.declared":          "它写在配置（文件或环境变量）里，在这里只读",
	"remote.declared.hint":     "请在原处修改：各节点的配置文件，或 HUFU_APPID 和 HUFU_SECRET",
	"remote.stranger":          "%s 处的不是虎符",
	"remote.stranger.hint":     "HUFU_URL 应为 listen.api（端口 8700），不是 listen.web 或 listen.admin；启用了 TLS 时以 https:// 开头",
	"remote.refused":           "微信返回 %d：%s",
	"remote.ip":                "（微信看到的 IP 是 %s）",

	"status.server":           "%s：节点 %s，版本 %s，已运行 %s",
	"status.config.bad":       "配置文件未通过，%s 读入的配置仍然有效：",
	"status.store.bad":        "存储写不进去：%s；有效的令牌照常提供，恢复之前不签发新的",
	"status.restart":          "文件中已修改、重启后才生效：%s",
	"status.key.bad":          "主密钥：%s",
	"status.key.moves":        "正在更换主密钥，进度请看 hufu rekey",
	"status.unreachable.hint": "在服务器上运行 hufu check --online 可了解详情",

	"state.absent":  "尚无",
	"state.fresh":   "有效",
	"state.due":     "待续期",
	"state.expired": "已过期",
	"state.blocked": "待人工处理",
	"state.doubt":   "（存疑）",

	"head.app":        "应用",
	"head.name":       "名称",
	"head.kind":       "种类",
	"head.type":       "类型",
	"head.source":     "来源",
	"head.from":       "出处",
	"head.state":      "状态",
	"head.generation": "代次",
	"head.age":        "已用",
	"head.expires":    "剩余",
	"head.next":       "下次",
	"head.budget":     "预算",

	"rekey.none":        "%s 处没有主密钥文件",
	"rekey.none.hint":   "请在运行 hufu serve 的机器上、用它的配置运行；新存储的密钥在首次打开时生成",
	"rekey.begun":       "%s 现在以新的主密钥 %s 开头。",
	"rekey.goes":        "正在更换主密钥；%s 中有 %s。",
	"rekey.next":        "请把该文件分发到每个节点（权限 0600）。再次运行 hufu rekey 可查看进度；完成后在这里运行 hufu rekey --finish，然后再分发一次。旧密钥请与当时的备份一同留存。",
	"rekey.finished":    "%s 中只剩主密钥 %s。请把该文件分发到每个节点。旧密钥请与当时的备份一同留存。",
	"rekey.early":       "旧的主密钥仍留在 %s：还需要它",
	"rekey.early.hint":  "请把文件分发到还没有的节点，一分钟后再试",
	"rekey.busy":        "各节点现有的主密钥还没有就绪，没有生成新密钥",
	"rekey.busy.hint":   "请先让所有节点使用同一份密钥文件；这里的是 %s",
	"rekey.write":       "%s 写不进去：%v",
	"rekey.write.hint":  "什么都没有改；请用运行 hufu serve 的用户或 root 运行",
	"rekey.state.done":  "除 %s 外，已没有内容用别的密钥加密：可用 hufu rekey --finish 移除旧密钥",
	"rekey.state.waits": "等待 %s：那里的密钥文件还不是以 %s 开头",
	"rekey.state.left":  "上次查看时有 %d 条记录不在新密钥之下；15 分钟内到期的登录会等它自行结束",
	"rekey.state.looks": "各节点正在换用，请一分钟后再看",
	"apps.none":         "没有应用",
	"apps.declared":     "文件或环境变量",
	"apps.stored":       "运行时添加",
	"put.secret":        "无法读取 AppSecret：%v",
	"put.secret.hint":   "请用 --secret-file 指定文件，或从标准输入写入",
	"put.done":          "%s 已在本节点生效，其他节点 5 秒内生效",
	"delete.done":       "%s 已移除",
	"token.phantom":     "这是替身令牌，只能经 %s 调用微信接口，直接发给微信无效。要拿微信自己的令牌，请为该调用方配置 tokens: real。",
	"renew.done":        "%s %s：第 %d 代",
	"renew.phantom":     "%s %s：已签发新令牌。该调用方手里的替身令牌不受影响；新的代次请看 hufu status。",
	"renew.leak":        "第二次签发会自动进行，之后泄露的令牌即失效：普通版大约五分钟内，稳定版大约一分钟内。hufu status 可查看代次。",
	"key.keep":          "请把密钥交给程序，把 key_sha256 写入配置。密钥不会再次显示。",

	"sim.speed":       "倍数不合理",
	"sim.speed.hint":  "应大于 0、不超过 1000；60 表示两小时在两分钟内过完",
	"sim.app":         "应用应写作 APPID:SECRET",
	"sim.app.hint":    "例如 --app wx0123456789abcdef:0123456789abcdef0123456789abcdef",
	"sim.listen.hint": "换用别的端口：--api 127.0.0.1:0 --manage 127.0.0.1:0",
	"sim.hello": `模拟微信
  接口  %[1]s
  管理  %[2]s   （请求历史、违规、故障；GET / 列出所有路径）
  时间  %[3]g 倍速：令牌存活 %[4]v

试试：
  curl "%[1]s/cgi-bin/token?grant_type=client_credential&appid=%[5]s&secret=%[6]s"
  curl %[2]s/history
配合虎符：HUFU_WECHAT_API_URL=%[1]s HUFU_WECHAT_LIFE=%[4]v HUFU_APPID=%[5]s HUFU_SECRET=%[6]s hufu serve
`,
	"sim.type":          "没有这种应用类型",
	"sim.type.hint":     "应为 official_account、mini_program 或 website",
	"sim.callback.hint": "例如 --callback auth.example.com；在本机上用 --callback 127.0.0.1:8701 --callback-ports；最多两个",
	"sim.login": `登录请用浏览器打开（最后会跳到回调地址，不管那里有没有程序）：
  %[1]s
`,

	"demo.for":      "时间不合理",
	"demo.for.hint": "例如 --for 2m30s",
	"demo.shop":     "用浏览器打开 %s：一个通过虎符登录的示例商店。",
	"demo.intro": `虎符演示：%d 倍速的模拟微信（%s）、虎符服务器（%s），
示例商店，以及为两个应用各自调用微信接口的示例程序。配置在 %s，服务器会跟踪它的变化。`,
	"demo.try":                "在另一个终端里试试（先执行下面的 export 一行）：",
	"demo.try.renew":          "立即签发新令牌",
	"demo.first":              "在那个终端里请先执行：",
	"demo.try.read":           "用虎符自己的接口取令牌",
	"demo.try.report":         "上报令牌失效，得到可用的那一个",
	"demo.try.wechat":         "用微信原有的路径取令牌：AppSecret 的位置换成调用方密钥",
	"demo.try.call":           "用它调用（模拟）微信",
	"demo.try.gateway":        "经虎符调用微信接口，不用令牌",
	"demo.try.metrics":        "监控指标",
	"demo.try.examples":       "让 SDK 走虎符（需克隆虎符的仓库）；其他 SDK 见 examples/README.zh-CN.md",
	"demo.wait":               "普通版令牌约 90 秒后续期，稳定版约 115 秒后续期。按 Ctrl-C 结束。",
	"demo.issued":             "令牌 %d 已签发，存活 %d 秒",
	"demo.renewed":            "令牌 %d → %d，旧令牌还可用 %.0f 秒",
	"demo.old_ended":          "令牌 %d 已失效",
	"demo.violation":          "模拟微信指出违规：%s",
	"demo.totals":             "调用微信 %d 次，被拒 %d · 从虎符读取 %d · 微信签发 %d · 违规 %d",
	"rule.asked-again":        "令牌仍然有效、未被拒绝，却提前签发了新的",
	"rule.sent-twice":         "同一请求在应答之前发送了两次",
	"rule.repeated-too-soon":  "没有得到明确应答后，过早再次请求",
	"rule.ignored-quota":      "当日额度用完（45009）后仍然请求",
	"rule.ignored-minute":     "收到 45011 后一分钟内再次请求",
	"rule.ignored-refusal":    "需要人工处理的拒绝，一分钟内再次请求",
	"rule.forced-too-soon":    "30 秒内两次强制刷新",
	"rule.secret-in-url":      "AppSecret 出现在不该出现的 URL 中",
	"rule.token-misplaced":    "令牌放在了请求头或请求体里",
	"rule.wrong-token":        "混用了应用的令牌和用户的令牌",
	"rule.code-twice":         "同一个 code 兑换了两次",
	"rule.code-too-late":      "code 过期后才兑换",
	"rule.no-wechat-redirect": "跳转微信时缺少 #wechat_redirect",
	"rule.foreign-host":       "请求的主机不是微信的",
	"rule.ticket-too-soon":    "票据远未到期就再次请求",
	"rule.dead-token-shown":   "用已被拒绝的令牌请求票据",

	"demo.next":  "%s 后续期",
	"demo.token": "令牌 %d",
	"demo.age":   "已用 %5s",
	"demo.end":   "演示结束，没有留下任何东西。%s",
}

// problemsInChinese are the server's problems by their code; where detail is
// set, the server's own words have particulars and follow.
var problemsInChinese = map[string]struct {
	text, hint string
	detail     bool
}{
	"bad_request":        {"请求不成立", "请检查命令的参数；服务器和命令的版本应当一致", true},
	"invalid":            {"应用或调用方没有通过检查", "键和取值与配置文件相同，请改正后重试", true},
	"unauthorized":       {"没有有效的调用方密钥", "", false},
	"forbidden":          {"该调用方无权这样做", "它能做什么由配置中的 allow、apps 和 from 决定", true},
	"not_found":          {"没有这一项，或该调用方无权使用", "", false},
	"method_not_allowed": {"该路径不接受这种请求方法", "服务器和命令的版本可能不同", false},
	"declared":           {"它写在配置里，在这里只读", "", false},
	"key_taken":          {"别的调用方已有这把密钥", "请用 hufu client key 另生成一把", false},
	"redirect_taken":     {"有的 redirect_uri 会同时属于同一应用的另一个调用方", "请改用别的地址", false},
	"conflict":           {"同一时刻被别人改了", "请重新查看后再改", false},
	"newer_version":      {"这一项是更新版本的虎符写下的，在这里改会丢掉本版本不认识的内容", "请改问新版本的节点，或先升级这个节点", false},
	"too_large":          {"请求体过大", "", false},
	"too_many_requests":  {"请求太频繁", "请检查 HUFU_KEY 是否正确；密钥没错，就请放慢请求，或调高该调用方的 limits.rate", true},
	"canceled":           {"请求已取消", "", false},
	"internal":           {"虎符内部出错", "服务器的日志里有详情", false},
	"no_answer":          {"调用已发给微信，没有等到回答", "是否生效无从得知，重试之前请先核实", true},
	"unavailable":        {"手里没有有效的令牌", "", true},
	"unrecorded":         {"审计记录写不进去，而配置要求必须记录", "请检查审计文件：磁盘是否已满", false},
	"unsure":             {"存储没有说清改动是否写入", "请先查看，再决定是否重试", false},
	"store_unavailable":  {"连不上存储或写不进去，什么都没有改", "请检查服务器的磁盘，稍后再试", false},
}
