// node index.js          calls WeChat's API
// node index.js login    is a site that logs users in
//
// HUFU_KEY is a client key and HUFU_APPID the app. HUFU_URL and HUFU_WEB_URL are
// Hufu's listen.api and listen.web, where they are not on this machine.
'use strict'

const crypto = require('crypto')
const http = require('http')
const { account, Login } = require('./wechat')

const appid = process.env.HUFU_APPID
const key = process.env.HUFU_KEY
const site = 'http://localhost:8704'

async function main () {
  const followers = await account(appid, key).getFollowers()
  console.log('followers: %d', followers.total)
  if (process.argv[2] === 'login') {
    http.createServer(serve).listen(8704, 'localhost', () => console.log('open %s in a browser', site))
  }
}

const login = new Login(appid, key)

// The state is kept with who begins: else somebody could send you the end of a
// login of theirs, and you would be on their account.
function serve (req, res) {
  const at = new URL(req.url, site)
  const say = (status, text) => res.writeHead(status, { 'Content-Type': 'text/plain; charset=utf-8' }).end(text)
  if (at.pathname === '/') {
    const state = crypto.randomBytes(16).toString('hex')
    const to = login.getAuthorizeURL(site + '/callback', state, 'snsapi_userinfo')
    res.writeHead(303, { Location: to, 'Set-Cookie': `state=${state}; Path=/; HttpOnly; SameSite=Lax` }).end()
  } else if (at.pathname !== '/callback') {
    say(404, 'not here')
  } else if (!(req.headers.cookie || '').split('; ').includes('state=' + at.searchParams.get('state'))) {
    say(400, 'this login was not begun in this browser')
  } else if (at.searchParams.has('error')) {
    say(403, 'you said no')
  } else {
    login.getUserByCode(at.searchParams.get('code'), (err, user) => {
      err ? say(502, err.message) : say(200, `Hello, ${user.nickname} (${user.openid}).`)
    })
  }
}

main().catch(err => {
  console.error(err.message)
  process.exit(1)
})
