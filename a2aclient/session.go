package a2aclient

import (
	"container/list"
	"sync"
	"time"
)

// session is a conversation: the context that the agent gave it, and the task
// that waits for an answer in it.
type session struct {
	name, context, task string
	used                time.Time
}

// sessions remembers conversations by the names their callers gave them. What
// was not used for long is forgotten, and what was used longest ago if there
// are too many.
type sessions struct {
	most int
	ttl  time.Duration
	log  *log
	now  func() time.Time

	mu     sync.Mutex
	byName map[string]*list.Element
	recent *list.List // of *session, the last used first
}

func newSessions(most int, ttl time.Duration, l *log) *sessions {
	return &sessions{most: most, ttl: ttl, log: l, now: time.Now, byName: map[string]*list.Element{}, recent: list.New()}
}

// get returns the context and task of a session, "" for one that is not known.
func (s *sessions) get(name string) (context, task string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clean()
	e := s.byName[name]
	if e == nil {
		return "", ""
	}
	at := e.Value.(*session)
	at.used = s.now()
	s.recent.MoveToFront(e)
	return at.context, at.task
}

// put remembers what an agent said of a session; a task of "" is one that takes
// no further message.
func (s *sessions) put(name, context, task string) {
	if name == "" || context == "" {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clean()
	if e := s.byName[name]; e != nil {
		at := e.Value.(*session)
		at.context, at.task, at.used = context, task, s.now()
		s.recent.MoveToFront(e)
		return
	}
	for s.recent.Len() >= s.most && s.recent.Len() > 0 {
		s.drop(s.recent.Back())
	}
	s.byName[name] = s.recent.PushFront(&session{name: name, context: context, task: task, used: s.now()})
	s.log.sessionsCreated.Add(1)
}

func (s *sessions) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.recent.Len()
}

// clean forgets what was not used for long.
func (s *sessions) clean() {
	old, n := s.now().Add(-s.ttl), 0
	for e := s.recent.Back(); e != nil && e.Value.(*session).used.Before(old); e = s.recent.Back() {
		s.drop(e)
		n++
	}
	if n > 0 {
		s.log.tell(Notice{Kind: SessionsCleaned, Count: n})
	}
}

func (s *sessions) drop(e *list.Element) {
	delete(s.byName, s.recent.Remove(e).(*session).name)
	s.log.sessionsEvicted.Add(1)
}
