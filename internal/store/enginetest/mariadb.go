package enginetest

import (
	"context"
	"net"
	"os/exec"
	"path/filepath"
)

// MariaDB starts a MariaDB. Settings are as in "read-only=ON". Who connects as
// root needs no password.
func MariaDB(settings ...string) (*Server, error) {
	install, err := find("mariadb-install-db", "mariadb-server-core mariadb-client-core")
	if err != nil {
		return nil, err
	}
	daemon, err := find("mariadbd", "mariadb-server-core mariadb-client-core", "/usr/sbin", "/usr/libexec")
	if err != nil {
		return nil, err
	}
	s, err := newServer("mysql", "nobody")
	if err != nil {
		return nil, err
	}
	data := filepath.Join(s.Dir, "data")
	s.Socket = filepath.Join(s.Dir, "s")
	s.command = func() *exec.Cmd {
		args := []string{
			"--no-defaults", "--datadir=" + data, "--socket=" + s.Socket, "--skip-networking",
			"--pid-file=" + filepath.Join(s.Dir, "pid"), "--tmpdir=" + s.Dir, "--skip-log-bin",
			"--innodb-buffer-pool-size=64M", "--max-connections=300", "--innodb-flush-method=fsync",
		}
		for _, setting := range settings {
			args = append(args, "--"+setting)
		}
		return exec.Command(daemon, args...)
	}
	s.ready = func(ctx context.Context) error {
		var d net.Dialer
		c, err := d.DialContext(ctx, "unix", s.Socket)
		if err == nil {
			_, err = c.Read(make([]byte, 1)) // it greets
			_ = c.Close()
		}
		return err
	}
	err = s.run(install, "--no-defaults", "--datadir="+data, "--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve")
	if err == nil {
		err = s.Start()
	}
	if err != nil {
		s.Remove()
		return nil, err
	}
	return s, nil
}
