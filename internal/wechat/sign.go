package wechat

import (
	"crypto/sha1"
	"encoding/hex"
	"strconv"

	"github.com/hufu-project/hufu/internal/credential"
)

// JSAPITicket is the kind whose value signs pages that call the JS-SDK.
const JSAPITicket credential.Kind = "jsapi_ticket"

// SignPage is the signature that wx.config takes, of a page as the browser shows
// it, without "#" and what follows: SHA-1 of four raw values in the order of
// their names. It is what WeChat asks for; nothing else in Hufu rests on SHA-1.
// Page JS-SDK, appendix 1, of developers.weixin.qq.com.
func SignPage(ticket credential.Secret, nonce string, timestamp int64, page string) string {
	sum := sha1.Sum([]byte("jsapi_ticket=" + ticket.Reveal() + "&noncestr=" + nonce +
		"&timestamp=" + strconv.FormatInt(timestamp, 10) + "&url=" + page))
	return hex.EncodeToString(sum[:])
}
