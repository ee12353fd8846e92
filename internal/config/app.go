package config

import (
	"github.com/hufu-project/hufu/internal/credential"
)

// App is one WeChat application whose credentials we keep. It is an element of
// apps in the file, the JSON body of PUT /v1/apps/{appid}, and what the
// registry stores (see DecodeApp and EncodeApp).
//
// json.Marshal gives the form for answers, which has no secret.
type App struct {
	// AppID is opaque to us: 1 to 64 letters, digits, "_" and "-".
	AppID credential.App `yaml:"appid"`
	// Name is for people; by default the appid.
	Name string `yaml:"name"`
	// Secrets is one AppSecret, or the old and the new one during a change;
	// they are tried in this order. In the file also as secret_file.
	Secrets []credential.Secret `yaml:"secret"`
	// Source is where the app's token comes from: WeChat's stable or its
	// classic line.
	Source string `yaml:"source" default:"stable" oneof:"stable|classic"`
	// Fallback is the source to cross over to when the first has run dry:
	// "classic", and only from stable; or "", never.
	Fallback string `yaml:"fallback" oneof:"classic"`
	// Type is the sort of app. A website app has no token of its own.
	Type string `yaml:"type" default:"official_account" oneof:"official_account|mini_program|website"`
	// DailyQuota is how many tokens WeChat issues to this app in a day.
	DailyQuota int `yaml:"daily_quota" default:"2000"`
	// WebURL overrides Config.WebURL for this app.
	WebURL string `yaml:"web_url"`
}

// The values of App.Source and App.Type.
const (
	Stable  = "stable"
	Classic = "classic"

	OfficialAccount = "official_account"
	MiniProgram     = "mini_program"
	Website         = "website"
)
