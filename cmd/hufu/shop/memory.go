package shop

import (
	"sync"
	"time"
)

// memory keeps values under names that nobody can guess, each for a time, and
// no more than so many: the oldest goes. So strangers who begin logins and never
// finish them cannot fill it. A shop with several servers keeps them in a
// database instead. It is safe for concurrent use.
type memory[T any] struct {
	most int
	life time.Duration

	mu    sync.Mutex
	items map[string]item[T]
	order []string // oldest first; some of them are dropped already
}

type item[T any] struct {
	value T
	ends  time.Time
}

func newMemory[T any](most int, life time.Duration) *memory[T] {
	return &memory[T]{most: most, life: life, items: map[string]item[T]{}}
}

// add keeps a value and gives its new name.
func (m *memory[T]) add(v T) (name string) {
	name = draw()
	now := time.Now()
	m.mu.Lock()
	defer m.mu.Unlock()
	for len(m.order) > 0 {
		if old, there := m.items[m.order[0]]; there && now.Before(old.ends) && len(m.order) < m.most {
			break
		}
		delete(m.items, m.order[0])
		m.order = m.order[1:]
	}
	m.items[name] = item[T]{v, now.Add(m.life)}
	m.order = append(m.order, name)
	return name
}

// get reports false for a value that is not there, or no longer.
func (m *memory[T]) get(name string) (v T, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	it, there := m.items[name]
	if !there || !time.Now().Before(it.ends) {
		return v, false
	}
	return it.value, true
}

func (m *memory[T]) drop(name string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.items, name)
}
