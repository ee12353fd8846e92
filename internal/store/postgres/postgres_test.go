package postgres

import (
	"testing"

	"github.com/hufu-project/hufu/internal/store"
	"github.com/hufu-project/hufu/internal/store/enginetest"
	"github.com/hufu-project/hufu/internal/store/storetest"
)

func TestStore(t *testing.T) {
	t.Parallel()
	on := sharedServer(t)
	open := func(t *testing.T) store.Store { return openAt(t, emptySchema(t, on)) }
	storetest.TestStore(t, open, storetest.Options{Disk: disk})
}

// Behind a pooler that lends a connection for one transaction, nothing may be
// prepared.
func TestStoreBySimpleProtocol(t *testing.T) {
	t.Parallel()
	on := sharedServer(t)
	open := func(t *testing.T) store.Store {
		a := emptySchema(t, on)
		a.Simple = true
		return openAt(t, a)
	}
	storetest.TestStore(t, open, storetest.Options{})
}

// disk is a whole server, whose data is copied and put back.
func disk(t *testing.T) storetest.Disk {
	on := enginetest.For(t, enginetest.Postgres)
	do := func(f func() error) {
		t.Helper()
		if err := f(); err != nil {
			t.Fatal(err)
		}
	}
	return storetest.Disk{
		Open:    func() store.Store { return openAt(t, at(on)) },
		Save:    func() { on.Kill(); do(on.Save); do(on.Start) },
		Restore: func() { on.Kill(); do(on.Restore); do(on.Start) },
	}
}
