package a2a

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/spf13/cobra"

	"github.com/portcullis-dev/portcullis/a2aclient"
	"github.com/portcullis-dev/portcullis/internal/cli/frame"
)

func (c verbs) task() *cobra.Command {
	return frame.Group("task", "Look at tasks of an agent, and end them",
		c.one("get", "Show a task", func(ctx context.Context, client *a2aclient.Client, url, id string) error {
			t, err := client.Task(ctx, id)
			if err != nil {
				return err
			}
			return c.seen(c.showTask(url, t))
		}),
		c.list(),
		c.one("cancel", "Ask the agent to end a task", func(ctx context.Context, client *a2aclient.Client, url, id string) error {
			t, err := client.Cancel(ctx, id)
			if err != nil {
				return err
			}
			return c.seen(c.showTask(url, t))
		}),
		c.one("watch", "Follow a task until it is done", func(ctx context.Context, client *a2aclient.Client, url, id string) error {
			return c.follow(url, client.Watch(ctx, id))
		}))
}

// seen takes the end of a task for what was asked: to see it.
func (verbs) seen(err error) error {
	var ended errTask
	if errors.As(err, &ended) {
		return nil
	}
	return err
}

// one is a verb on one task.
func (c verbs) one(name, short string, f func(context.Context, *a2aclient.Client, string, string) error) *cobra.Command {
	t := &target{}
	cmd := &cobra.Command{
		Use: name + " URL ID", Short: short,
		Example: "  portcullis a2a task " + name + " https://agent.example 0f9d3c1e-6a4b-4d4e-9d5f-2b8a7c1e0f11",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 2 {
				return frame.Usagef("want the URL of an agent and the id of a task")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.calling(cmd, t, args[0], func(ctx context.Context, client *a2aclient.Client) error {
				return f(ctx, client, args[0], args[1])
			})
		},
	}
	t.credentials.flags(cmd)
	t.flags(cmd)
	return cmd
}

func (c verbs) list() *cobra.Command {
	t := &target{}
	var q a2aclient.Query
	var in string
	cmd := &cobra.Command{
		Use: "list URL", Short: "List tasks, a page at a time", Args: frame.One("the URL of an agent"),
		Example: "  portcullis a2a task list https://agent.example --state working",
		RunE: func(cmd *cobra.Command, args []string) error {
			if in != "" {
				q.State = a2a.TaskState("TASK_STATE_" + strings.ToUpper(strings.NewReplacer("-", "_", " ", "_").Replace(in)))
				if !known(q.State) {
					return frame.Usagef("--state %q: want submitted, working, input-required, auth-required, completed, failed, canceled or rejected", frame.Printable(in))
				}
			}
			return c.calling(cmd, t, args[0], func(ctx context.Context, client *a2aclient.Client) error { return c.tasks(ctx, client, q) })
		},
	}
	t.credentials.flags(cmd)
	t.flags(cmd)
	f := cmd.Flags()
	f.StringVar(&q.Context, "context", "", "only those of a conversation (`id`)")
	f.StringVar(&in, "state", "", "only those in a `state`")
	f.IntVar(&q.Size, "limit", 50, "how `many`")
	f.StringVar(&q.Page, "page", "", "`token` of the page, as the page before says")
	return cmd
}

func known(s a2a.TaskState) bool {
	switch s {
	case a2a.TaskStateSubmitted, a2a.TaskStateWorking, a2a.TaskStateInputRequired, a2a.TaskStateAuthRequired,
		a2a.TaskStateCompleted, a2a.TaskStateFailed, a2a.TaskStateCanceled, a2a.TaskStateRejected:
		return true
	}
	return false
}

// page is what scripts get of a list.
type page struct {
	Tasks []*a2a.Task `json:"tasks"`
	Next  string      `json:"next,omitempty"`
}

func (c verbs) tasks(ctx context.Context, client *a2aclient.Client, q a2aclient.Query) error {
	tasks, next, err := client.Tasks(ctx, q)
	if err != nil {
		return err
	}
	if c.JSON() {
		if tasks == nil {
			tasks = []*a2a.Task{}
		}
		return c.PrintJSON(page{tasks, next})
	}
	rows := make([][]string, len(tasks))
	for i, t := range tasks {
		changed := "-"
		if t.Status.Timestamp != nil {
			changed = t.Status.Timestamp.UTC().Format(time.RFC3339)
		}
		rows[i] = []string{string(t.ID), state(t.Status.State), t.ContextID, changed}
	}
	if err := c.Table([]string{"TASK", "STATE", "CONTEXT", "CHANGED"}, rows); err != nil || next == "" {
		return err
	}
	return c.Printf("there are more: --page %s\n", word(next))
}
