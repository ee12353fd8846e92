// The SDKs co-wechat-api and wechat-oauth, unmodified, behind Hufu.
'use strict'

const API = require('co-wechat-api')
const OAuth = require('wechat-oauth')

const hufu = process.env.HUFU_URL || 'http://127.0.0.1:8700'
const hufuWeb = process.env.HUFU_WEB_URL || 'http://127.0.0.1:8701'

// account is co-wechat-api as ever: the client key stands where the AppSecret
// stood, and the hosts are fields. What is left out (mp.weixin.qq.com, pay) does
// not go through Hufu.
function account (appid, key) {
  const api = new API(appid, key)
  api.prefix = hufu + '/cgi-bin/'
  api.snsPrefix = hufu + '/sns/'
  api.fileServerPrefix = hufu + '/cgi-bin/'
  api.merchantPrefix = hufu + '/merchant/'
  api.customservicePrefix = hufu + '/customservice/'
  api.wxaPrefix = hufu + '/wxa/'
  return api
}

// Login is wechat-oauth. It fixes both hosts: the one that browsers are sent to is
// changed in what it made, the other one in what it asks for.
class Login extends OAuth {
  request (url, ...rest) {
    return super.request(url.replace('https://api.weixin.qq.com', hufu), ...rest)
  }

  getAuthorizeURL (...args) {
    return super.getAuthorizeURL(...args).replace('https://open.weixin.qq.com', hufuWeb)
  }
}

module.exports = { account, Login }
