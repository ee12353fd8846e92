//go:build unix

package cluster

import (
	"database/sql"
	"net"
	"net/http"
	"strings"
	"testing"

	_ "github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5"

	"github.com/hufu-project/hufu/internal/store/enginetest"
	"github.com/hufu-project/hufu/internal/store/redis/redistest"
)

// A primary dies for good, and the replica that takes over lacks its last
// writes, a new value among them. Readers notice nothing; the nodes follow by
// themselves and tell the new primary what they know, so that a node that begins
// then has it too; and nothing is issued that nobody ordered.
func failsOver(t *testing.T, on *engine, cutOff, takeOver func()) {
	c := newCluster(t, on, newSim(), "wx00000000000000b1").start(3)
	c.agree(1)
	cutOff()
	if err := c.sim.Revoke(c.app); err != nil {
		t.Fatal(err)
	}
	c.refused(2)
	r := c.read()
	takeOver()
	late := c.add()
	eventually(t, "a node that begins now has the value that was lost", func() bool {
		if late.ended() { // before there was a primary
			late.begin()
		}
		a := late.token()
		return a.status == http.StatusOK && a.Generation == 2
	})
	if n := c.sim.Issues(c.app); n != 2 {
		t.Errorf("%d issues, want 2", n)
	}
	// And it goes on from there.
	c.ordered(c.nodes[1])
	generation := c.settled()
	r.stop()
	if n := c.sim.Issues(c.app); generation < 3 || n != int(generation) {
		t.Errorf("%d issues for %d generations", n, generation)
	}
	c.judged()
}

func TestRedisFailsOver(t *testing.T) {
	t.Parallel()
	primary := redistest.Start(t)
	replica := redistest.Start(t, "--replicaof", strings.ReplaceAll(primary.Addr, ":", " "))
	sentinels := redistest.Sentinels(t, primary)
	on := &engine{
		network: "tcp", addr: primary.Addr, // the nodes ask the Sentinels and go there directly
		address: func(string) string {
			return "redis://" + sentinels[0] + "?sentinel=tally&addr=" + sentinels[1] + "&addr=" + sentinels[2]
		},
	}
	failsOver(t, on.named("sentinel"), func() {
		c := primary.Admin()
		defer c.Close()
		eventually(t, "the replica has all that was written", func() bool {
			// WAIT is for what its own connection wrote, and all before that.
			answers := c.DoMulti(t.Context(), c.B().Arbitrary("SET", "last", "1").Build(), c.B().Arbitrary("WAIT", "1", "100").Build())
			n, err := answers[1].AsInt64()
			return err == nil && n == 1
		})
		replica.Pause()
		primary.Do("CLIENT", "KILL", "TYPE", "replica")
	}, func() {
		primary.Kill()
		replica.Resume()
	})
}

// The nodes know one address, which leads to the replica then, as a virtual one
// does.
func TestMariaDBFailsOver(t *testing.T) {
	t.Parallel()
	_, port, _ := net.SplitHostPort(enginetest.FreeAddr(t))
	primary := enginetest.For(t, quickMariaDB, "skip-networking=0", "bind-address=127.0.0.1", "port="+port, "server-id=1", "log-bin=changes", "binlog-format=ROW")
	replica := enginetest.For(t, quickMariaDB, "server-id=2", "read-only=ON")
	at := func(s *enginetest.Server) *sql.DB {
		db, err := sql.Open("mysql", "root@unix("+s.Socket+")/")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = db.Close() })
		return db
	}
	one, two := at(primary), at(replica)
	run := func(db *sql.DB, statements ...string) {
		t.Helper()
		for _, s := range statements {
			if _, err := db.ExecContext(t.Context(), s); err != nil {
				t.Fatalf("%s: %v", s, err)
			}
		}
	}
	run(one, "CREATE DATABASE hufu", "CREATE USER copier@'%'", "GRANT REPLICATION SLAVE ON *.* TO copier@'%'")
	run(two, "CHANGE MASTER TO MASTER_HOST='127.0.0.1', MASTER_PORT="+port+", MASTER_USER='copier', MASTER_USE_GTID=slave_pos", "START SLAVE")
	place := func(db *sql.DB, which string) (at string) {
		if err := db.QueryRowContext(t.Context(), "SELECT @@"+which).Scan(&at); err != nil {
			t.Fatal(err)
		}
		return at
	}
	wire := enginetest.NewProxy(t, primary)
	on := &engine{
		network: "unix", addr: primary.Socket,
		address: func(string) string { return "mysql://root@" + wire.Addr + "/hufu" },
	}
	failsOver(t, on.named("replica"), func() {
		eventually(t, "the replica has all that was written", func() bool { return place(two, "gtid_slave_pos") == place(one, "gtid_binlog_pos") })
		run(two, "STOP SLAVE")
	}, func() {
		_ = one.Close()
		primary.Kill()
		run(two, "RESET SLAVE ALL", "SET GLOBAL read_only = OFF")
		wire.To(replica)
	})
}

func TestPostgresFailsOver(t *testing.T) {
	t.Parallel()
	primary := enginetest.For(t, enginetest.Postgres)
	standby := enginetest.For(t, func(...string) (*enginetest.Server, error) { return enginetest.PostgresStandby(primary) })
	one, two := enginetest.NewProxy(t, primary), enginetest.NewProxy(t, standby)
	on := &engine{
		network: "unix", addr: primary.Socket, // the nodes have both addresses
		address: func(string) string { return "postgres://postgres@" + one.Addr + "/postgres?addr=" + two.Addr },
	}
	failsOver(t, on.named("standby"), func() {
		db, err := pgx.Connect(t.Context(), "host="+primary.Dir+" user=postgres dbname=postgres")
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close(t.Context())
		eventually(t, "the standby has all that was written", func() bool {
			var has bool
			err := db.QueryRow(t.Context(), "SELECT count(*) > 0 AND bool_and(replay_lsn >= pg_current_wal_lsn()) FROM pg_stat_replication").Scan(&has)
			return err == nil && has
		})
		standby.Kill()
	}, func() {
		primary.Kill()
		if err := standby.Start(); err != nil {
			t.Fatal(err)
		}
		if err := standby.Promote(); err != nil {
			t.Fatal(err)
		}
	})
}
