// The example, driven by node_test.go: a line of JSON for each command and for
// each answer. The time is the test's.
'use strict'

let ahead = 0
const Real = Date
global.Date = class extends Real {
  constructor (...args) {
    super(...(args.length ? args : [Real.now() + ahead]))
  }

  static now () {
    return Real.now() + ahead
  }
}

const readline = require('readline')
const { promisify } = require('util')
const { account, Login } = require('../wechat')

// On a machine that is busy an answer may take long.
const patient = { timeout: 300000 }
let api, login, openid

const commands = {
  async begin ({ appid, key }) {
    api = account(appid, key)
    api.setOpts(patient)
    login = new Login(appid, key)
    login.setOpts(patient)
    openid = undefined
  },
  async authorize ({ callback, state }) {
    return login.getAuthorizeURL(callback, state, 'snsapi_userinfo')
  },
  async user ({ code }) {
    openid = (await promisify(login.getUserByCode).call(login, code)).openid
    return openid
  },
  // Both SDKs: about the follower, and about the user, once there is one.
  async call ({ follower }) {
    const who = await api.getUser(follower)
    if (who.subscribe !== 1) throw new Error('that is not the follower')
    if (openid) await promisify(login.getUser).call(login, openid)
  }
}

readline.createInterface({ input: process.stdin }).on('line', async line => {
  const c = JSON.parse(line)
  ahead = c.now - Real.now()
  const answer = { number: c.number }
  try {
    answer.value = await commands[c.do](c)
  } catch (err) {
    answer.error = err.stack
  }
  console.log(JSON.stringify(answer))
})
