package a2a

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
)

// TestPushNotifications registers a listed host and is notified; the agent
// sends by itself.
func TestPushNotifications(t *testing.T) {
	told := make(chan string, 16)
	hook := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { told <- r.Header.Get("Authorization") }))
	t.Cleanup(hook.Close)
	u, err := url.Parse(hook.URL)
	if err != nil {
		t.Fatal(err)
	}
	g, _ := start(t, "a2a.push = { hosts = [\""+u.Host+"\"], insecure_private = true }\n")
	for _, w := range ways[:3] {
		t.Run(w.name, func(t *testing.T) {
			c := newClient(t, g.URL, g.Key, w)
			asked, err := c.SendMessage(t.Context(), text("ask"))
			if err != nil {
				t.Fatal(err)
			}
			task := asked.TaskInfo().TaskID
			cfg := &a2a.PushConfig{TaskID: task, ID: "one", URL: hook.URL + "/hook", Auth: &a2a.PushAuthInfo{Scheme: "Bearer", Credentials: "s3cret"}}
			made, err := c.CreateTaskPushConfig(t.Context(), cfg)
			if err != nil || made.URL != cfg.URL {
				t.Fatalf("CreateTaskPushConfig: %+v, %v", made, err)
			}
			list, err := c.ListTaskPushConfigs(t.Context(), &a2a.ListTaskPushConfigRequest{TaskID: task})
			if err != nil || len(list) != 1 {
				t.Errorf("ListTaskPushConfigs: %+v, %v", list, err)
			}
			next := text("work")
			next.Message.TaskID, next.Message.ContextID = task, asked.TaskInfo().ContextID
			if _, err := c.SendMessage(t.Context(), next); err != nil {
				t.Fatal(err)
			}
			select {
			case auth := <-told:
				if !strings.Contains(auth, "s3cret") {
					t.Errorf("notified with %q", auth)
				}
			case <-time.After(10 * time.Second):
				t.Fatal("not notified")
			}
			if err := c.DeleteTaskPushConfig(t.Context(), &a2a.DeleteTaskPushConfigRequest{TaskID: task, ID: made.ID}); err != nil {
				t.Errorf("DeleteTaskPushConfig: %v", err)
			}
			cfg.URL = "http://elsewhere.example/"
			if _, err := c.CreateTaskPushConfig(t.Context(), cfg); err == nil {
				t.Error("a host that is not listed passed")
			}
		})
	}
}

// TestPushIsOff where no hosts are listed.
func TestPushIsOff(t *testing.T) {
	g, _ := start(t, "")
	_, err := newClient(t, g.URL, g.Key, ways[0]).SendMessage(t.Context(), &a2a.SendMessageRequest{
		Message: a2a.NewMessage(a2a.MessageRoleUser, a2a.NewTextPart("work")),
		Config:  &a2a.SendMessageConfig{PushConfig: &a2a.PushConfig{URL: "https://hooks.example.com/"}},
	})
	if !errors.Is(err, a2a.ErrPushNotificationNotSupported) {
		t.Errorf("got %v", err)
	}
}
