package hufu_test

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"
)

// compose is what we read of a compose file.
type compose struct {
	Services map[string]struct {
		Image       string
		Command     []string
		Environment map[string]string
		Volumes     []string
		Ports       []string
		DependsOn   []string `yaml:"depends_on"`
	}
	Volumes map[string]any
}

// No container engine is asked: what the compose files say is held against the
// binary, the image and each other.
func TestComposeFilesFitTheImage(t *testing.T) {
	t.Parallel()
	image := dockerfile(t)[2]
	for _, file := range []string{"deploy/compose.redis.yaml", "deploy/compose.postgres.yaml"} {
		var c compose
		if err := yaml.Unmarshal([]byte(read(t, file)), &c); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		nodes := 0
		for name, s := range c.Services {
			for _, needed := range s.DependsOn {
				if _, ok := c.Services[needed]; !ok {
					t.Errorf("%s: %s depends on %s, which is not there", file, name, needed)
				}
			}
			for _, port := range s.Ports {
				inside := port[strings.LastIndex(port, ":")+1:]
				if !strings.HasPrefix(port, "127.0.0.1:") || !slices.Contains(strings.Fields(find(image, "EXPOSE")[0]), inside) {
					t.Errorf("%s: %s publishes %s", file, name, port)
				}
			}
			if s.Image != "hufu" {
				if !regexp.MustCompile(`^\w+:\d+(\.\d+)?-alpine$`).MatchString(s.Image) {
					t.Errorf("%s: the image %s of %s is not pinned", file, s.Image, name)
				}
				if !slices.ContainsFunc(s.Volumes, func(v string) bool { from, _, _ := strings.Cut(v, ":"); _, ok := c.Volumes[from]; return ok }) {
					t.Errorf("%s: what %s keeps is lost with its container", file, name)
				}
				continue
			}
			nodes++
			checkNode(t, file, name, image, s.Command, s.Environment, s.Volumes)
		}
		if nodes != 2 {
			t.Errorf("%s: %d nodes", file, nodes)
		}
	}
}

// checkNode has hufu check read the configuration as the node would.
func checkNode(t *testing.T, file, name string, image []instruction, command []string, environment map[string]string, volumes []string) {
	t.Helper()
	if len(command) != 3 || command[0] != "serve" || command[1] != "--config" || !slices.Contains(volumes, "./:/etc/hufu:ro") {
		t.Errorf("%s: %s runs %q with %q", file, name, command, volumes)
		return
	}
	dir := t.TempDir() // takes the place of /etc/hufu
	if err := os.CopyFS(dir, os.DirFS("deploy")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "hufu.key"), []byte("hufu-master-key-1 "+strings.Repeat("A", 43)+"=\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	given := map[string]string{"SHOP_SECRET": appSecret, "SHOP_KEY_SHA256": strings.Repeat("5e", 32), "STORE_PASSWORD": "Pa55word"}
	env := strings.Fields(find(image, "ENV")[0])
	for _, key := range slices.Sorted(maps.Keys(environment)) {
		value := regexp.MustCompile(`\$\{(\w+):\?\}`).ReplaceAllStringFunc(environment[key], func(v string) string {
			return given[strings.Trim(v, "${:?}")]
		})
		env = append(env, fmt.Sprintf("%s=%s", key, strings.ReplaceAll(value, "/etc/hufu", dir)))
	}
	check := exec.Command(binary(t), "check", "--config", strings.ReplaceAll(command[2], "/etc/hufu", dir))
	check.Env = env
	if out, err := check.CombinedOutput(); err != nil || strings.Contains(string(out), "there is no such variable") {
		t.Errorf("%s: %s: hufu check: %v\n%s", file, name, err, out)
	}
}
