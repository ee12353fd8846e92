//go:build unix

package redis

import (
	"errors"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/hufu-project/hufu/internal/store"
	"github.com/hufu-project/hufu/internal/store/redis/redistest"
)

// TestFailoverThatLosesWrites: the replica is cut off, the primary takes more
// writes and dies, Sentinel promotes the replica.
func TestFailoverThatLosesWrites(t *testing.T) {
	t.Parallel()
	primary := startServer(t)
	replica := startServer(t, "--replicaof", strings.ReplaceAll(primary.Addr, ":", " "))
	addrs := redistest.Sentinels(t, primary.Server)
	for _, n := range []*server{primary, replica} {
		n.Do(append([]string{"ACL", "SETUSER", "hufu", ">" + canary}, strings.Fields(acl+" +role")...)...)
	}
	st := openAt(t, "redis://hufu:"+canary+"@"+addrs[0]+"?sentinel=tally&addr="+addrs[1]+"&addr="+addrs[2])
	kept := put(t, st, "a", "", "kept")
	if n := primary.Do("WAIT", "1", "5000"); n != "1" {
		t.Fatalf("%s replicas", n)
	}
	seen := map[string]bool{kept.Version: true}
	replica.Pause()
	primary.Do("CLIENT", "KILL", "TYPE", "replica")
	lost := put(t, st, "a", kept.Version, "lost")
	also := put(t, st, "b", "", "lost")
	seen[lost.Version], seen[also.Version] = true, true
	w := watch(t, st, "")
	primary.Kill()
	replica.Resume()
	within(t, w, "", 2*time.Second+slack)

	var got store.Record
	eventually(t, func() (err error) { got, err = st.Get(t.Context(), "a"); return err })
	if got.Version != kept.Version || string(got.Value) != "kept" {
		t.Fatalf("after the failover there is %+v", got)
	}
	if got.Now.Before(kept.Written) {
		t.Errorf("time went back from %v to %v", kept.Written, got.Now)
	}
	within(t, w, "", 2*time.Second+slack)
	if _, err := st.Get(t.Context(), "b"); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("the lost record: %v", err)
	}
	_, err := st.Put(t.Context(), store.Record{Key: "a", Version: lost.Version, Value: []byte("x")})
	if !errors.Is(err, store.ErrConflict) {
		t.Errorf("in place of a version that was lost: %v", err)
	}
	for _, r := range []store.Record{put(t, st, "a", kept.Version, "new"), put(t, st, "b", "", "new")} {
		if seen[r.Version] {
			t.Errorf("version %s of %s was there before", r.Version, r.Key)
		}
		within(t, w, r.Key, slack)
	}

	// The old primary comes back, and thinks at first that it still is one.
	primary.Start()
	if got, err := st.Get(t.Context(), "b"); err != nil || string(got.Value) != "new" {
		t.Errorf("%s, %v", got.Value, err)
	}
}

func TestUnknownPrimaryIsSaid(t *testing.T) {
	t.Parallel()
	primary := startServer(t)
	startServer(t, "--replicaof", strings.ReplaceAll(primary.Addr, ":", " "))
	addrs := redistest.Sentinels(t, primary.Server)
	refuses(t, "redis://"+addrs[0]+"?sentinel=tell", "know no primary of the name tell")
}

// startCluster starts three primaries and one replica of the one that has the
// slot of ours.
func startCluster(t *testing.T) (nodes []*server, replica *server) {
	t.Helper()
	node := func() *server {
		return startServer(t, "--cluster-enabled", "yes", "--cluster-node-timeout", "1000", "--cluster-replica-validity-factor", "0")
	}
	nodes = []*server{node(), node(), node()}
	replica = node()
	for i, n := range nodes {
		n.Do("CLUSTER", "ADDSLOTSRANGE", strconv.Itoa(i*5461), strconv.Itoa(map[bool]int{true: 16383, false: i*5461 + 5460}[i == 2]))
	}
	host, port, _ := net.SplitHostPort(nodes[0].Addr)
	for _, n := range []*server{nodes[1], nodes[2], replica} {
		n.Do("CLUSTER", "MEET", host, port)
	}
	owner := nodes[ownerOf(t, nodes)]
	id := owner.Do("CLUSTER", "MYID")
	eventually(t, func() error {
		if !strings.Contains(replica.Do("CLUSTER", "NODES"), id) {
			return errors.New("the replica does not know the owner")
		}
		return nil
	})
	replica.Do("CLUSTER", "REPLICATE", id)
	for _, n := range append(nodes, replica) {
		eventually(t, func() error {
			info := n.Do("CLUSTER", "INFO")
			if !strings.Contains(info, "cluster_state:ok") || !strings.Contains(info, "cluster_known_nodes:4") {
				return errors.New("the cluster is not there")
			}
			return nil
		})
	}
	online(t, owner)
	return nodes, replica
}

// online waits until the server has a replica.
func online(t *testing.T, s *server) {
	t.Helper()
	eventually(t, func() error {
		if !strings.Contains(s.Do("INFO", "replication"), "state=online") {
			return errors.New("the replica is not there")
		}
		return nil
	})
}

// ownerOf is the node that has the slot of ours.
func ownerOf(t *testing.T, nodes []*server) int {
	t.Helper()
	slot, err := strconv.Atoi(nodes[0].Do("CLUSTER", "KEYSLOT", "{hufu}"))
	if err != nil {
		t.Fatal(err)
	}
	return min(slot/5461, 2)
}

func clusterAddress(nodes []*server) string {
	return "redis://" + nodes[0].Addr + "?cluster=true&addr=" + nodes[1].Addr + "&addr=" + nodes[2].Addr
}

func TestClusterFailsOver(t *testing.T) {
	t.Parallel()
	nodes, replica := startCluster(t)
	for _, n := range append(nodes, replica) {
		n.Do(append([]string{"ACL", "SETUSER", "hufu", ">" + canary}, strings.Fields(acl+" +cluster|slots +cluster|shards")...)...)
	}
	st := openAt(t, strings.Replace(clusterAddress(nodes), "//", "//hufu:"+canary+"@", 1))
	r := put(t, st, "a", "", "one")
	for range 3 {
		r = put(t, st, "a", r.Version, "two")
	}
	owner := nodes[ownerOf(t, nodes)]
	if n := owner.Do("WAIT", "1", "5000"); n != "1" {
		t.Fatalf("%s replicas", n)
	}
	w := watch(t, st, "")
	owner.Kill()
	within(t, w, "", 2*time.Second+slack)
	var got store.Record
	eventually(t, func() (err error) { got, err = st.Get(t.Context(), "a"); return err })
	if got.Version != r.Version {
		t.Errorf("there is %+v, want %+v", got, r)
	}
	put(t, st, "a", r.Version, "three")
	told(t, w, "a", 2*time.Second+slack)
	if role := replica.Do("ROLE"); !strings.HasPrefix(role, "[master") {
		t.Errorf("the replica is %s", role)
	}
}

// TestClusterMovesTheSlot while the store is in use: nothing is lost, nobody is
// unsure, and the watch goes along.
func TestClusterMovesTheSlot(t *testing.T) {
	t.Parallel()
	nodes, _ := startCluster(t)
	st := openAt(t, clusterAddress(nodes))
	r := put(t, st, "a", "", "one")
	w := watch(t, st, "")
	i := ownerOf(t, nodes)
	from, to := nodes[i], nodes[(i+1)%3]
	slot := from.Do("CLUSTER", "KEYSLOT", "{hufu}")
	fromID, toID := from.Do("CLUSTER", "MYID"), to.Do("CLUSTER", "MYID")
	to.Do("CLUSTER", "SETSLOT", slot, "IMPORTING", fromID)
	from.Do("CLUSTER", "SETSLOT", slot, "MIGRATING", toID)
	host, port, _ := net.SplitHostPort(to.Addr)
	// In the middle of it a script finds its keys in two places.
	from.Do("MIGRATE", host, port, "", "0", "5000", "KEYS", "{hufu}:r:a")
	_, err := st.Put(t.Context(), store.Record{Key: "a", Version: r.Version, Value: []byte("x")})
	nothingWritten(t, "Put while the slot moves", err)
	keys := strings.Fields(strings.Trim(from.Do("CLUSTER", "GETKEYSINSLOT", slot, "100"), "[]"))
	from.Do(append([]string{"MIGRATE", host, port, "", "0", "5000", "KEYS"}, keys...)...)
	for _, n := range []*server{to, from, nodes[(i+2)%3]} {
		n.Do("CLUSTER", "SETSLOT", slot, "NODE", toID)
	}
	eventually(t, func() error {
		got, err := st.Put(t.Context(), store.Record{Key: "a", Version: r.Version, Value: []byte("two")})
		if err == nil {
			r = got
		}
		return err
	})
	within(t, w, "", 3*time.Second)
	r = put(t, st, "a", r.Version, "three")
	told(t, w, "a", 2*time.Second+slack)
	if got := to.Do("EXISTS", "{hufu}:r:a"); got != "1" {
		t.Errorf("the record is not where the slot is: %s", got)
	}
}
