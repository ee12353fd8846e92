package errcode

import "time"

const (
	minute = time.Minute
	hour   = time.Hour
)

// table holds the numbers that WeChat's pages name for issuing and for using
// an app's token.
//
// Sources: https://developers.weixin.qq.com/doc/service/api/base/api_getstableaccesstoken.html
// (acquisition), https://developers.weixin.qq.com/doc/oplatform/developers/dev/AccessToken.html
// (use), https://developers.weixin.qq.com/doc/oplatform/developers/dev/api (AppSecret frozen).
// 89501 and the following are on no public page any more; a mirror of the old
// one describes the confirmation by the administrator.
var table = []Entry{
	{Code: -1, EN: Words{"WeChat is busy", "nothing to do, Hufu asks again by itself"}, ZH: Words{"微信系统繁忙", "无需处理，虎符会自动重试"}},
	{Code: -1000, EN: Words{"WeChat is busy (an undocumented answer)", "nothing to do, Hufu asks again by itself"}, ZH: Words{"微信系统繁忙（未公开的错误码）", "无需处理，虎符会自动重试"}},

	{
		Code: 40001, Issue: Block, Call: Renew, Pause: minute,
		EN: Words{"the AppSecret is wrong, or the token is no longer valid", "compare the AppSecret with the one in WeChat's console (设置与开发 → 基本配置)"},
		ZH: Words{"AppSecret 错误，或者令牌已失效", "请在微信公众平台「设置与开发 → 基本配置」核对 AppSecret"},
	},
	{
		Code: 40002, Issue: Block, Call: Fault, Pause: minute,
		EN: Words{"the grant_type is wrong", "this should not happen; is api_url really WeChat's address?"},
		ZH: Words{"grant_type 不正确", "正常情况下不会出现，请检查 api_url 是否为微信的地址"},
	},
	{
		Code: 40013, Issue: Block, Call: Fault, Pause: 5 * minute,
		EN: Words{"WeChat does not know this appid", "compare the appid with the one in WeChat's console; it begins with wx"},
		ZH: Words{"微信不认识这个 appid", "请在微信公众平台核对 appid（以 wx 开头）"},
	},
	{
		Code: 40014, Call: Renew,
		EN: Words{"the token is malformed or of another kind", "use the value that Hufu gives now"},
		ZH: Words{"令牌格式不对或种类不对", "请使用虎符当前给出的令牌"},
	},
	{
		Code: 40097, Call: Fault, Pause: 30 * minute,
		EN: Words{"an argument is wrong", "this should not happen; is api_url really WeChat's address?"},
		ZH: Words{"参数不正确", "正常情况下不会出现，请检查 api_url 是否为微信的地址"},
	},
	{
		Code: 40125, Issue: Block, Call: Fault, Pause: minute,
		EN: Words{"the AppSecret is wrong", "it may have been reset: put the current one into the configuration; an old secret dies the moment it is reset"},
		ZH: Words{"AppSecret 错误", "可能已被重置：请把新的 AppSecret 写入配置，旧的在重置那一刻即失效"},
	},
	{
		Code: 40164, Issue: Block, Call: Block, Pause: minute,
		EN: Words{"the address that this server calls from is not on the app's IP allow-list", "add the address to the IP allow-list (IP白名单) in WeChat's console; it takes effect after some minutes"},
		ZH: Words{"本服务器的出口 IP 不在该应用的 IP 白名单中", "请在微信公众平台把这个 IP 加入「IP白名单」，几分钟后生效"},
	},
	{
		Code: 40243, Issue: Block, Call: Fault, Pause: minute,
		EN: Words{"the AppSecret is frozen", "unfreeze it in WeChat's console; that takes up to ten minutes to act"},
		ZH: Words{"AppSecret 已被冻结", "请登录微信公众平台解冻，最多约十分钟后生效"},
	},
	{
		Code: 41001, Call: Fault, Pause: minute,
		EN: Words{"no access_token in the query", "send the token as the query parameter access_token"},
		ZH: Words{"请求里没有 access_token", "令牌必须放在 URL 参数 access_token 中"},
	},
	{
		Code: 41002, Issue: Block, Call: Fault, Pause: minute,
		EN: Words{"the appid is missing", "is api_url really WeChat's address?"},
		ZH: Words{"缺少 appid", "请检查 api_url 是否为微信的地址"},
	},
	{
		Code: 41004, Issue: Block, Call: Fault, Pause: minute,
		EN: Words{"the AppSecret is missing", "give the app's secret in the configuration"},
		ZH: Words{"缺少 AppSecret", "请在配置中填写该应用的 secret"},
	},
	{
		Code: 42001, Call: Renew,
		EN: Words{"the token has expired", "use the value that Hufu gives now"},
		ZH: Words{"令牌已过期", "请使用虎符当前给出的令牌"},
	},
	{
		Code: 43002, Issue: Block, Call: Fault, Pause: minute,
		EN: Words{"POST is required", "something between Hufu and WeChat changed the method"},
		ZH: Words{"必须使用 POST", "虎符与微信之间有设备改写了请求方法"},
	},
	{
		Code: 45009, Issue: Quota, Call: Fault,
		EN: Words{"the day's quota is spent", "Hufu keeps the token in hand and asks again after midnight in Beijing; some other program is probably fetching tokens too"},
		ZH: Words{"当日调用次数已用完", "虎符会继续使用手中的令牌，北京时间零点后再取；很可能有别的程序也在获取令牌"},
	},
	{
		Code: 45011, Issue: Wait, Call: Fault, Pause: minute,
		EN: Words{"too many calls in this minute", "nothing to do, Hufu waits a minute"},
		ZH: Words{"本分钟调用过于频繁", "无需处理，虎符会等一分钟"},
	},
	{
		Code: 45035, Issue: Block, Call: Block, Pause: minute,
		EN: Words{"the address that this server calls from is not allowed", "add it to the IP allow-list in WeChat's console"},
		ZH: Words{"本服务器的出口 IP 不被允许", "请把它加入「IP白名单」"},
	},
	{
		Code: 48001, Call: Fault, Pause: 30 * minute,
		EN: Words{"the app has no right to this interface", "look at the interface rights in WeChat's console; the token is fine"},
		ZH: Words{"该应用没有此接口的权限", "请在微信公众平台查看接口权限；令牌本身没有问题"},
	},
	{
		Code: 48004, Issue: Block, Call: Block, Pause: 5 * minute,
		EN: Words{"the interface is closed to this app because of a violation", "see the notice in WeChat's console"},
		ZH: Words{"该应用因违规被禁用接口", "请登录微信公众平台查看通知"},
	},
	{
		Code: 50002, Issue: Block, Call: Block, Pause: 30 * minute,
		EN: Words{"the account is restricted", "see the notice in WeChat's console"},
		ZH: Words{"账号受限", "请登录微信公众平台查看通知"},
	},
	{
		Code: 50004, Issue: Block, Call: Block, Pause: 30 * minute,
		EN: Words{"the account may not use access tokens, maybe as a punishment", "see the notice in WeChat's console"},
		ZH: Words{"账号被禁止使用 access_token，可能因违规受罚", "请登录微信公众平台查看通知"},
	},
	{
		Code: 50007, Issue: Block, Call: Block, Pause: 30 * minute,
		EN: Words{"the account is frozen", "see the notice in WeChat's console"},
		ZH: Words{"账号已被冻结", "请登录微信公众平台查看通知"},
	},
	{
		Code: 61004, Issue: Block, Call: Block, Pause: minute,
		EN: Words{"the address that this server calls from is not registered", "add it to the IP allow-list in WeChat's console"},
		ZH: Words{"本服务器的出口 IP 未登记", "请把它加入「IP白名单」"},
	},
	{
		Code: 61007, Call: Fault, Pause: 30 * minute,
		EN: Words{"the app has not given this right to the third-party platform", "the token is fine"},
		ZH: Words{"该应用没有把此权限授予第三方平台", "令牌本身没有问题"},
	},
	{
		Code: 61024, Issue: Block, Call: Fault, Pause: 30 * minute,
		EN: Words{"this appid is a third-party platform's, whose token is fetched otherwise", "Hufu does not keep component tokens yet"},
		ZH: Words{"这是第三方平台的 appid，其令牌须另行获取", "虎符尚不支持 component 令牌"},
	},
	{
		Code: 89501, Issue: Block, Call: Block, Pause: minute,
		EN: Words{"this address waits for the administrator's confirmation", "ask the app's administrator to confirm it in WeChat"},
		ZH: Words{"该 IP 正在等待管理员确认", "请联系该应用的管理员在微信里确认"},
	},
	{
		Code: 89502, Issue: Block, Call: Block, Pause: minute,
		EN: Words{"the administrator has not allowed this address", "ask the app's administrator, or use the IP allow-list"},
		ZH: Words{"管理员未允许该 IP", "请联系管理员，或使用「IP白名单」"},
	},
	{
		Code: 89503, Issue: Block, Call: Block, Pause: minute,
		EN: Words{"the app's administrator must confirm this call", "the administrator has got a message in WeChat: confirm it there"},
		ZH: Words{"此次调用需要管理员确认", "管理员已在微信中收到消息，请在那里确认"},
	},
	{
		Code: 89504, Issue: Block, Call: Block, Pause: minute,
		EN: Words{"this address waits for the administrator's confirmation", "ask the app's administrator to confirm it in WeChat"},
		ZH: Words{"该 IP 正在等待管理员确认", "请联系该应用的管理员在微信里确认"},
	},
	{
		Code: 89505, Issue: Block, Call: Block, Pause: minute,
		EN: Words{"this address waits for the administrator's confirmation", "ask the app's administrator to confirm it in WeChat"},
		ZH: Words{"该 IP 正在等待管理员确认", "请联系该应用的管理员在微信里确认"},
	},
	{
		Code: 89506, Issue: Block, Call: Block, Pause: 24 * hour,
		EN: Words{"the administrator refused this address twice; WeChat blocks it for 24 hours", "talk to the app's administrator, or add the address to the IP allow-list and renew by hand"},
		ZH: Words{"管理员已两次拒绝该 IP，24 小时内不可用", "请联系管理员；或把该 IP 加入「IP白名单」后手动续期"},
	},
	{
		Code: 89507, Issue: Block, Call: Block, Pause: hour,
		EN: Words{"the administrator refused this address; WeChat blocks it for an hour", "talk to the app's administrator, or add the address to the IP allow-list and renew by hand"},
		ZH: Words{"管理员已拒绝该 IP，1 小时内不可用", "请联系管理员；或把该 IP 加入「IP白名单」后手动续期"},
	},
}
