package elastic_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	portcullis "github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/internal/audit/format"
	"github.com/portcullis-dev/portcullis/internal/audit/sink"
	"github.com/portcullis-dev/portcullis/internal/audit/sink/elastic"
	"github.com/portcullis-dev/portcullis/internal/audit/sink/post"
	"github.com/portcullis-dev/portcullis/internal/audit/sink/sinktest"
)

const token = "a-token-of-the-cluster"

// cluster is a bulk API: strict about its lines, with documents by id.
type cluster struct {
	*httptest.Server
	fault func(http.ResponseWriter) bool
	item  func(n int) int // status of a document, 0 = take it

	mu    sync.Mutex
	docs  map[string]json.RawMessage
	order []int // numbers of documents as they were first taken
	again int
}

func newCluster(t *testing.T) *cluster {
	c := &cluster{docs: map[string]json.RawMessage{}}
	c.Server = httptest.NewServer(http.HandlerFunc(c.bulk))
	t.Cleanup(c.Close)
	return c
}

func (c *cluster) bulk(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fault != nil && c.fault(w) {
		return
	}
	if r.URL.Path != "/_bulk" || r.Header.Get("Authorization") != "ApiKey "+token || r.Header.Get("Content-Type") != "application/x-ndjson" {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	lines := bufio.NewScanner(r.Body)
	lines.Buffer(nil, 1<<20)
	failed := false
	var out []string
	for lines.Scan() {
		var action struct {
			Create *struct {
				Index string `json:"_index"`
				ID    string `json:"_id"`
			}
		}
		if json.Unmarshal(lines.Bytes(), &action) != nil || action.Create == nil || action.Create.Index != "logs-x" || !lines.Scan() {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		var doc struct{ Labels struct{ Resource string } }
		if json.Unmarshal(lines.Bytes(), &doc) != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		status, n := http.StatusCreated, -1
		if i, err := strconv.Atoi(doc.Labels.Resource); err == nil {
			n = i
		}
		if c.item != nil && n >= 0 {
			if s := c.item(n); s != 0 {
				status = s
			}
		}
		switch _, there := c.docs[action.Create.ID]; {
		case there:
			status = http.StatusConflict
			c.again++
		case status == http.StatusCreated:
			c.docs[action.Create.ID] = append([]byte(nil), lines.Bytes()...)
			if n >= 0 {
				c.order = append(c.order, n)
			}
		}
		failed = failed || status > 299
		out = append(out, fmt.Sprintf(`{"create":{"status":%d,"error":{"type":"some_exception","reason":"because of %s"}}}`, status, token))
	}
	fmt.Fprintf(w, `{"errors":%t,"items":[%s]}`, failed, strings.Join(out, ","))
}

func newSender(t *testing.T, c *cluster) *elastic.Sender {
	t.Helper()
	encoder, _ := format.ByName("ecs", format.Info{})
	s, err := elastic.New(elastic.Config{
		URL: c.URL + "/", Index: "logs-x", Encoder: encoder,
		Auth: post.Auth{Scheme: "ApiKey", Secret: func() (string, error) { return token, nil }},
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func items(t *testing.T, s sink.Sender, n int) []sink.Item {
	t.Helper()
	var out []sink.Item
	for i := range n {
		e := &portcullis.Event{ID: fmt.Sprint("id-", i), Time: time.Now(), Type: portcullis.EventAuthzDenied, Resource: strconv.Itoa(i)}
		data, err := s.Append(nil, e)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, sink.Item{Event: e, Data: data})
	}
	return out
}

func TestDocuments(t *testing.T) {
	c := newCluster(t)
	s := newSender(t, c)
	for range 2 { // what is sent again is there already, and that is fine
		if err := s.Send(t.Context(), items(t, s, 5)); err != nil {
			t.Fatal(err)
		}
	}
	if len(c.docs) != 5 || c.again != 5 {
		t.Errorf("%d documents, %d again", len(c.docs), c.again)
	}
	if doc := string(c.docs["id-3"]); !strings.Contains(doc, `"ecs":`) || !strings.Contains(doc, `"@timestamp":`) {
		t.Errorf("%s", doc)
	}
}

func TestItemsAreJudged(t *testing.T) {
	c := newCluster(t)
	s := newSender(t, c)
	c.item = func(n int) int { return map[int]int{1: 400, 2: 429, 3: 503}[n] }
	err := s.Send(t.Context(), items(t, s, 5))
	var each *sink.ItemsError
	if !errors.As(err, &each) || len(each.Refused) != 1 || !strings.Contains(each.Refused[1], "some_exception") || each.Rest == nil {
		t.Fatalf("%#v", err)
	}
	if strings.Contains(each.Refused[1], token) || strings.Contains(err.Error(), token) {
		t.Errorf("the token is told: %v %v", each.Refused, err)
	}
	c.item = func(n int) int { return map[int]int{1: 429, 2: 403}[n] }
	var wrong *sink.Error
	if err := s.Send(t.Context(), items(t, s, 5)); !errors.As(err, &wrong) || wrong.Fault != sink.Misconfigured {
		t.Errorf("the worst counts: %v", err)
	}
}

func TestAnswers(t *testing.T) {
	c := newCluster(t)
	s := newSender(t, c)
	for body, want := range map[string]sink.Fault{
		"": sink.Misconfigured, "{}": sink.Misconfigured, "<html>": sink.Misconfigured,
		`{"errors":true,"items":[]}`: sink.Away, `{"errors":true,"items":[{},{}]}`: sink.Away,
	} {
		c.fault = func(w http.ResponseWriter) bool { fmt.Fprint(w, body); return true }
		err := s.Send(t.Context(), items(t, s, 2))
		var e *sink.Error
		if err == nil || errors.As(err, &e) != (want != sink.Away) || e != nil && e.Fault != want {
			t.Errorf("%q: %v", body, err)
		}
	}
}

// TestEndures: a cluster that is busy as a whole and for single documents.
func TestEndures(t *testing.T) {
	total := 20_000
	if testing.Short() {
		total = 4_000
	}
	c := newCluster(t)
	rng := rand.New(rand.NewPCG(5, 6))
	c.fault = func(w http.ResponseWriter) bool {
		switch rng.IntN(10) {
		case 0:
			w.Header().Set("Retry-After", "0")
			w.WriteHeader(http.StatusTooManyRequests)
		case 1:
			w.WriteHeader(http.StatusBadGateway)
		case 2:
			panic(http.ErrAbortHandler)
		default:
			return false
		}
		return true
	}
	c.item = func(int) int {
		if rng.IntN(2000) == 0 {
			return http.StatusTooManyRequests
		}
		return 0
	}
	dir, j := sinktest.Journal(t)
	sinktest.Fill(t, j, 0, total)
	spec := func() sink.Spec {
		return sink.Spec{Name: "es", Kind: "elastic", Sender: newSender(t, c), Pace: sinktest.Fast(), Batch: sink.Batch{Events: 500, Wait: 20 * time.Millisecond}}
	}
	taken := func() int {
		c.mu.Lock()
		defer c.mu.Unlock()
		return len(c.order)
	}
	_, stop := sinktest.Serve(t, dir, j, spec())
	sinktest.WaitFor(t, func() bool { return taken() > total/2 })
	stop()
	set, stop := sinktest.Serve(t, dir, j, spec())
	sinktest.WaitFor(t, func() bool { return taken() == total })
	stop()
	if v := set.Views()[0]; v.DeadLetters != 0 {
		t.Errorf("%+v", v)
	}
	// Documents that are put off come later: order is that of batches, and the
	// documents carry their times.
	for i, n := range c.order {
		if n < i-500 || n > i+500 {
			t.Fatalf("document %d came as number %d", n, i)
		}
	}
}
