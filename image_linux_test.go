package hufu_test

import (
	"bytes"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The image is laid out in an empty folder, as its Dockerfile says, and its
// process runs with that folder as its root: no shell, no library, no
// certificate and no time zone of this machine can help it.
func TestImageRunsInAnEmptyRoot(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		missing(t, "root, to give a process another root folder")
	}
	sim := newSim(t)
	wechat := httptest.NewTLSServer(sim)
	defer wechat.Close()

	image := dockerfile(t)[2]
	root := t.TempDir()
	lay(t, image, root, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: wechat.Certificate().Raw}))
	uid, gid, _ := strings.Cut(find(image, "USER")[0], ":")
	api, admin := freePort(t), freePort(t)
	var args, rest []string
	unmarshal(t, find(image, "ENTRYPOINT")[0], &args)
	unmarshal(t, find(image, "CMD")[0], &rest)
	args = append(args, rest...)
	env := strings.Fields(find(image, "ENV")[0])
	env = append(env, "HUFU_LISTEN_API=0.0.0.0:"+api, "HUFU_LISTEN_WEB=0.0.0.0:"+freePort(t), "HUFU_LISTEN_ADMIN=0.0.0.0:"+admin,
		"HUFU_APPID="+appID, "HUFU_SECRET="+appSecret, "HUFU_WECHAT_API_URL="+wechat.URL, "TZ=Asia/Shanghai")
	said := &bytes.Buffer{}
	hufu := &exec.Cmd{
		Path: args[0], Args: args, Env: env, Dir: find(image, "WORKDIR")[0], Stdout: said, Stderr: said,
		SysProcAttr: &syscall.SysProcAttr{Chroot: root, Credential: &syscall.Credential{Uid: number(t, uid), Gid: number(t, gid)}, Pdeathsig: syscall.SIGKILL},
	}
	if err := hufu.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- hufu.Wait() }()
	t.Cleanup(func() { _ = hufu.Process.Kill() })

	data := filepath.Join(root, find(image, "VOLUME")[0])
	key := eventually(t, func() (string, bool) {
		b, err := os.ReadFile(filepath.Join(data, "client.key"))
		return strings.TrimSpace(string(b)), err == nil && len(b) > 0
	})
	value := eventually(t, func() (string, bool) {
		var answer struct {
			Value string `json:"value"`
		}
		status := get(t, "http://127.0.0.1:"+api+"/v1/apps/"+appID+"/credentials/access_token", key, &answer)
		return answer.Value, status == http.StatusOK
	})
	if !sim.Valid(appID, value) {
		t.Error("the token that was handed out is not live")
	}
	// Longer than what is kept in memory: there is no /tmp here either.
	long := strings.NewReader(`{"long":"` + strings.Repeat("x", 2<<20) + `"}`)
	call, err := http.NewRequest("POST", "http://127.0.0.1:"+api+"/cgi-bin/media/upload", long)
	if err != nil {
		t.Fatal(err)
	}
	call.Header.Set("Authorization", "Bearer "+key)
	if resp, err := http.DefaultClient.Do(call); err != nil {
		t.Error(err)
	} else if resp.Body.Close(); resp.StatusCode != http.StatusOK {
		t.Errorf("a call of 2 MiB: %d", resp.StatusCode)
	}
	if status := get(t, "http://127.0.0.1:"+admin+"/healthz", "", nil); status != http.StatusOK {
		t.Errorf("healthz: %d", status)
	}

	if err := hufu.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("ended with %v:\n%s", err, said)
		}
	case <-time.After(15 * time.Second):
		t.Fatal("still there 15 s after SIGTERM")
	}
	if !strings.Contains(said.String(), "+08:00") {
		t.Errorf("the log is not in the time zone of TZ, so there are no time zones:\n%s", said)
	}
	for _, name := range []string{"hufu.db", "hufu.key", "client.key"} {
		info, err := os.Stat(filepath.Join(data, name))
		if err != nil {
			t.Errorf("%s is not in the volume: %v", name, err)
		} else if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v, want 0600", name, info.Mode().Perm())
		}
	}
}

// lay copies into root what the last stage copies into the image.
func lay(t *testing.T, image []instruction, root string, certificates []byte) {
	t.Helper()
	put := func(to string, b []byte, mode os.FileMode) {
		to = filepath.Join(root, to)
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(to, b, mode); err != nil {
			t.Fatal(err)
		}
	}
	for _, args := range find(image, "COPY") {
		words := strings.Fields(args)
		from, to := words[len(words)-2], words[len(words)-1]
		switch {
		case strings.HasSuffix(from, "ca-certificates.crt"):
			put(to, certificates, 0o644)
		case from == "/src/LICENSE":
			put(to, []byte(read(t, "LICENSE")), 0o644)
		case from == "/out/hufu":
			// By another process: while this one had the file open for writing, a
			// child of some other test would inherit that, and it could not be run.
			if err := os.MkdirAll(filepath.Join(root, filepath.Dir(to)), 0o755); err != nil {
				t.Fatal(err)
			}
			if out, err := exec.Command("cp", binary(t), filepath.Join(root, to)).CombinedOutput(); err != nil {
				t.Fatalf("cp: %v\n%s", err, out)
			}
		case from == "/out/data":
			owner, _, _ := strings.Cut(strings.TrimPrefix(words[len(words)-3], "--chown="), ":")
			uid := int(number(t, owner))
			if err := os.Mkdir(filepath.Join(root, to), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.Chown(filepath.Join(root, to), uid, uid); err != nil {
				t.Fatal(err)
			}
		default:
			t.Fatalf("COPY %s: this test does not know where that comes from", args)
		}
	}
}

func number(t *testing.T, s string) uint32 {
	t.Helper()
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil {
		t.Fatal(err)
	}
	return uint32(n)
}
