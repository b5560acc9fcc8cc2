package a2a

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"path/filepath"
	"strings"

	"github.com/a2aproject/a2a-go/v2/a2a"
	"github.com/spf13/cobra"

	"github.com/portcullis-dev/portcullis/a2aclient"
	"github.com/portcullis-dev/portcullis/internal/cli/frame"
)

// message is what flags say of a message.
type message struct {
	skill, context, task string
	data                 []string
	files                []string
	wait                 bool
}

func (m *message) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&m.skill, "skill", "", "`id` of the skill that is meant")
	f.StringVar(&m.context, "context", "", "`id` of the conversation to go on with")
	f.StringVar(&m.task, "task", "", "`id` of the task that waits for this message")
	f.StringArrayVar(&m.data, "json", nil, "`JSON` to send beside the text")
	f.StringArrayVar(&m.files, "file", nil, "`file` to send beside the text")
}

const (
	maxStdin = 1 << 20
	maxFile  = 4 << 20
)

// read makes the message of a text, "-" being standard input.
func (m *message) read(c verbs, text string) (a2aclient.Message, error) {
	out := a2aclient.Message{Skill: m.skill, Context: m.context, Task: m.task, Immediately: m.wait}
	if text == "-" {
		b, err := io.ReadAll(io.LimitReader(c.In, maxStdin+1))
		if err != nil {
			return out, fmt.Errorf("reading standard input: %w", err)
		}
		if len(b) > maxStdin {
			return out, frame.Usagef("standard input is larger than %d bytes: send it with --file", maxStdin)
		}
		text = string(b)
	}
	out.Text = text
	for _, d := range m.data {
		var v any
		if err := json.Unmarshal([]byte(d), &v); err != nil {
			return out, frame.Usagef("--json: want JSON: %v", err)
		}
		out.Parts = append(out.Parts, a2a.NewDataPart(v))
	}
	for _, name := range m.files {
		b, err := readFile("--file", name, maxFile)
		if err != nil {
			return out, err
		}
		p := a2a.NewRawPart(b)
		p.Filename, p.MediaType = filepath.Base(name), mime.TypeByExtension(filepath.Ext(name))
		if p.MediaType == "" {
			p.MediaType = "application/octet-stream"
		}
		out.Parts = append(out.Parts, p)
	}
	return out, nil
}

// urlAndText is the argument rule of verbs that send a text.
func urlAndText(_ *cobra.Command, args []string) error {
	if len(args) != 2 {
		return frame.Usagef("want the URL of an agent and a text; - reads the text from standard input")
	}
	return nil
}

func (c verbs) send() *cobra.Command {
	t, m := &target{}, &message{}
	cmd := &cobra.Command{
		Use: "send URL TEXT|-", Short: "Send a message to an agent and print its answer", Args: urlAndText,
		Long: `Send a message to an agent and print its answer: the text on standard output, and
what is said about the task on standard error. A message is never sent twice.

Credentials are named by reference, never given: --token secret://wallet/agent.
They go to the origin of URL and nowhere else, whatever the agent's card says.
The variables A2A_TOKEN (or A2A_AUTH_TOKEN), A2A_USERNAME and A2A_PASSWORD are
used if the card asks for such a credential.`,
		Example: `  portcullis a2a send https://agent.example "What is new?"
  portcullis a2a send https://agent.example "Summarize this" --file report.pdf --wait
  portcullis a2a send https://agent.example - --token secret://wallet/agent < question.txt`,
		RunE: func(cmd *cobra.Command, args []string) error {
			msg, err := m.read(c, args[1])
			if err != nil {
				return err
			}
			return c.calling(cmd, t, args[0], func(ctx context.Context, client *a2aclient.Client) error {
				return c.sendOne(ctx, client, args[0], msg, m.wait)
			})
		},
	}
	t.credentials.flags(cmd)
	t.flags(cmd)
	m.flags(cmd)
	cmd.Flags().BoolVar(&m.wait, "wait", false, "wait until the task is done, however long it takes")
	return cmd
}

func (c verbs) sendOne(ctx context.Context, client *a2aclient.Client, url string, msg a2aclient.Message, wait bool) error {
	p := c.progress()
	defer p.stop()
	p.say("sending")
	r, err := client.Send(ctx, msg)
	if err != nil {
		return err
	}
	if r.Message != nil {
		p.stop()
		return c.showEvent(newShown(), r.Message)
	}
	if wait && !r.Task.Status.State.Terminal() {
		p.say(state(r.Task.Status.State))
		task, err := client.Wait(ctx, string(r.Task.ID))
		if err != nil {
			p.stop()
			c.goesOn(url, string(r.Task.ID))
			return err
		}
		r.Task = task
	}
	p.stop()
	return c.showTask(url, r.Task)
}

// goesOn says that a task is not over because nobody looks at it any more.
func (c verbs) goesOn(url, id string) {
	if id == "" {
		return
	}
	fmt.Fprintf(c.Err, "note: the task goes on: 'portcullis a2a task watch %s %s' follows it, 'task cancel' ends it\n", word(url), word(id))
}

func (c verbs) stream() *cobra.Command {
	t, m := &target{}, &message{}
	cmd := &cobra.Command{
		Use: "stream URL TEXT|-", Short: "Send a message to an agent and print what happens as it happens", Args: urlAndText,
		Long: `Send a message to an agent and print what happens as it happens, until the task
is done or waits for an answer: texts on standard output, states on standard
error; with --output json one event per line. A stream that breaks is taken up
again. Ctrl-C ends looking, not the task.`,
		Example: `  portcullis a2a stream https://agent.example "Write a poem"
  portcullis a2a stream https://agent.example "Count to three" --output json`,
		RunE: func(cmd *cobra.Command, args []string) error {
			msg, err := m.read(c, args[1])
			if err != nil {
				return err
			}
			return c.calling(cmd, t, args[0], func(ctx context.Context, client *a2aclient.Client) error {
				return c.follow(args[0], client.Stream(ctx, msg))
			})
		},
	}
	t.credentials.flags(cmd)
	t.flags(cmd)
	m.flags(cmd)
	return cmd
}

// follow prints events until they end. The result is that of the task.
func (c verbs) follow(url string, events func(func(a2a.Event, error) bool)) error {
	s := newShown()
	p := c.progress()
	defer p.stop()
	var failed error
	for e, err := range events {
		if failed = err; err != nil {
			break
		}
		p.stop()
		if failed = c.showEvent(s, e); failed != nil {
			return failed
		}
		if !s.over() {
			p = c.progress()
			p.say(state(s.state))
		}
	}
	p.stop()
	if failed != nil {
		if errors.Is(failed, context.Canceled) || errors.Is(failed, a2aclient.ErrBroken) {
			c.goesOn(url, s.task)
		}
		return failed
	}
	return c.finish(url, s)
}

// word makes an agent's or a user's text one word of a command that is shown.
func word(s string) string { return "'" + strings.ReplaceAll(frame.Printable(s), "'", "") + "'" }
