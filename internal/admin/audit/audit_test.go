package audit

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/admin"
	"github.com/portcullis-dev/portcullis/internal/audit/index"
)

// asked is an index that remembers the question.
type asked struct {
	q   index.Query
	err error
}

func (a *asked) Search(_ context.Context, q index.Query) (index.Result, error) {
	a.q = q
	return index.Result{
		Events:  []index.Found{{Seq: 41, Event: portcullis.Event{ID: "0199", Type: portcullis.EventAuthFailure, Actor: portcullis.Actor{ID: "alice"}}}},
		More:    41,
		Partial: true, Unindexed: 3,
	}, a.err
}

func ask(x Index, query string) *httptest.ResponseRecorder {
	h := admin.New("1", slog.New(slog.DiscardHandler), http.NotFoundHandler(), Group(x))
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path+query, nil))
	return w
}

func TestSearch(t *testing.T) {
	x := &asked{}
	w := ask(x, "?type=AUTH_FAILURE&severity=WARN&outcome=failure&actor=alice&ip=203.0.113.0/24&text=two+words&since=2026-11-01T00:00:00Z&before=99&limit=7")
	if w.Code != http.StatusOK {
		t.Fatalf("%d: %s", w.Code, w.Body)
	}
	var page Page
	if err := json.Unmarshal(w.Body.Bytes(), &page); err != nil {
		t.Fatal(err)
	}
	if len(page.Events) != 1 || !strings.Contains(string(page.Events[0]), `"actor":{"id":"alice"}`) || page.Before != 41 || !page.Partial || page.Unindexed != 3 {
		t.Errorf("page %s", w.Body)
	}
	q := x.q
	if len(q.Types) != 1 || q.Types[0] != portcullis.EventAuthFailure || q.Severity != portcullis.SeverityWarn || len(q.Outcomes) != 1 ||
		q.Actor != "alice" || q.Address.String() != "203.0.113.0/24" || q.Text != "two words" || q.Since.IsZero() || q.Before != 99 || q.Limit != 7 {
		t.Errorf("asked %+v", q)
	}
	if ask(x, ""); x.q.Limit != 50 {
		t.Errorf("limit %d without one", x.q.Limit)
	}
}

func TestWrongQuestions(t *testing.T) {
	for _, query := range []string{"?limit=1001", "?limit=0", "?severity=LOUD", "?outcome=maybe", "?ip=example.com", "?since=yesterday", "?before=-1", "?actor=" + strings.Repeat("a", 513)} {
		x := &asked{}
		if w := ask(x, query); w.Code != http.StatusUnprocessableEntity || x.q.Limit != 0 {
			t.Errorf("%s: %d: %s", query, w.Code, w.Body)
		}
	}
}

func TestFailureTellsNothing(t *testing.T) {
	w := ask(&asked{err: errors.New("open /secret/path: denied")}, "")
	if w.Code != http.StatusInternalServerError || strings.Contains(w.Body.String(), "secret") {
		t.Errorf("%d: %s", w.Code, w.Body)
	}
}
