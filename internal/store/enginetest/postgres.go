package enginetest

import (
	"context"
	"os/exec"
	"path/filepath"
	"strings"
)

// Postgres starts a PostgreSQL. Settings are as in "fsync=off", a port= first.
// Its superuser is postgres, without a password.
func Postgres(settings ...string) (*Server, error) {
	return postgres(settings, func(s *Server, bin, data string) error {
		return s.run(filepath.Join(bin, "initdb"), "-D", data, "-U", "postgres", "-A", "trust", "--no-sync", "--locale=C", "-E", "UTF8")
	})
}

// PostgresStandby starts a standby of a primary that runs. It follows without
// the primary waiting for it, until Promote.
func PostgresStandby(primary *Server) (*Server, error) {
	return postgres(nil, func(s *Server, bin, data string) error {
		return s.run(filepath.Join(bin, "pg_basebackup"), "-h", primary.Dir, "-p", "5432", "-U", "postgres", "-D", data, "-R", "-c", "fast", "--no-sync")
	})
}

// Promote makes a PostgreSQL standby a primary.
func (s *Server) Promote() error {
	initdb, err := find("initdb", "postgresql", "/usr/lib/postgresql/*/bin")
	if err != nil {
		return err
	}
	return s.run(filepath.Join(filepath.Dir(initdb), "pg_ctl"), "promote", "-D", filepath.Join(s.Dir, "data"))
}

// postgres starts one whose data make makes.
func postgres(settings []string, make func(s *Server, bin, data string) error) (*Server, error) {
	initdb, err := find("initdb", "postgresql", "/usr/lib/postgresql/*/bin")
	if err != nil {
		return nil, err
	}
	s, err := newServer("postgres", "nobody")
	if err != nil {
		return nil, err
	}
	s.cleans = true
	data, bin, port := filepath.Join(s.Dir, "data"), filepath.Dir(initdb), "5432"
	if len(settings) > 0 {
		if other, ok := strings.CutPrefix(settings[0], "port="); ok {
			port = other
		}
	}
	s.Socket = filepath.Join(s.Dir, ".s.PGSQL."+port)
	s.command = func() *exec.Cmd {
		args := []string{
			"-D", data, "-c", "listen_addresses=", "-c", "unix_socket_directories=" + s.Dir,
			"-c", "port=" + port, "-c", "shared_buffers=32MB", "-c", "max_connections=200", "-c", "fsync=off",
			"-c", "dynamic_shared_memory_type=mmap", // in the folder of the data, and gone with it
		}
		for _, setting := range settings {
			args = append(args, "-c", setting)
		}
		return exec.Command(filepath.Join(bin, "postgres"), args...)
	}
	s.ready = func(ctx context.Context) error {
		return exec.CommandContext(ctx, filepath.Join(bin, "pg_isready"), "-q", "-h", s.Dir, "-p", port).Run()
	}
	if err = make(s, bin, data); err == nil {
		err = s.Start()
	}
	if err != nil {
		s.Remove()
		return nil, err
	}
	return s, nil
}
