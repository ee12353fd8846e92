//go:build unix

package peers

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// coWechatAPI is the one peer that is not in Go.
const coWechatAPI = "co-wechat-api"

// installCoWechatAPI installs what the lock file says, outside the tree.
var installCoWechatAPI = sync.OnceValues(func() (string, error) {
	dir := filepath.Join(scratch, coWechatAPI)
	if err := os.CopyFS(dir, os.DirFS("testdata/co-wechat-api")); err != nil {
		return "", err
	}
	npm := exec.Command("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
	npm.Dir = dir
	if out, err := npm.CombinedOutput(); err != nil {
		return "", fmt.Errorf("npm ci: %w\n%s", err, out)
	}
	return dir, nil
})

func coWechatAPIFolder(t *testing.T) string {
	t.Helper()
	if _, err := exec.LookPath("npm"); err != nil {
		t.Skip("co-wechat-api needs node and npm: apt-get install nodejs npm")
	}
	dir, err := installCoWechatAPI()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}
