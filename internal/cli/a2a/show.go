package a2a

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"github.com/portcullis-dev/portcullis/internal/cli/frame"
)

// shown is what was printed of a task.
type shown struct {
	task, context string
	state         a2a.TaskState
	message       bool // an answer that is no task
	asked         string
	artifacts     map[a2a.ArtifactID]string
}

func newShown() *shown { return &shown{artifacts: map[a2a.ArtifactID]string{}} }

func (s *shown) over() bool { return s.message || s.state.Terminal() || waiting(s.state) }

func waiting(s a2a.TaskState) bool {
	return s == a2a.TaskStateInputRequired || s == a2a.TaskStateAuthRequired
}

// showEvent prints one event: as it is for scripts, what it says for people.
func (c verbs) showEvent(s *shown, e a2a.Event) error {
	info := e.TaskInfo()
	if info.TaskID != "" {
		s.task, s.context = string(info.TaskID), info.ContextID
	}
	if c.JSON() {
		b, err := json.Marshal(a2a.StreamResponse{Event: e})
		if err != nil {
			return fmt.Errorf("writing the event: %w", err)
		}
		if err := c.PrintJSON(json.RawMessage(b)); err != nil {
			return err
		}
	}
	switch v := e.(type) {
	case *a2a.Message:
		s.message = true
		if !c.JSON() {
			return c.Printf("%s\n", text(v.Parts))
		}
	case *a2a.Task:
		s.task, s.context = string(v.ID), v.ContextID
		for _, art := range v.Artifacts {
			if err := c.artifact(s, art, false); err != nil {
				return err
			}
		}
		return c.status(s, v.Status)
	case *a2a.TaskArtifactUpdateEvent:
		return c.artifact(s, v.Artifact, v.Append)
	case *a2a.TaskStatusUpdateEvent:
		return c.status(s, v.Status)
	}
	return nil
}

// artifact prints what is new of an artifact. One that was printed before is
// known by its id: agents send it again whole when a stream was taken up.
func (c verbs) artifact(s *shown, a *a2a.Artifact, more bool) error {
	if a == nil || c.JSON() {
		return nil
	}
	now := text(a.Parts)
	before := s.artifacts[a.ID]
	if len(s.artifacts) < maxArtifacts || before != "" {
		if more {
			s.artifacts[a.ID] = before + now
		} else {
			s.artifacts[a.ID] = now
		}
	}
	if rest, ok := strings.CutPrefix(now, before); ok && !more {
		now = rest
	}
	if now == "" {
		return nil
	}
	return c.Printf("%s\n", now)
}

const maxArtifacts = 1000

// status notes a state, and tells people about it.
func (c verbs) status(s *shown, st a2a.TaskStatus) error {
	changed := s.state != st.State
	s.state, s.asked = st.State, ""
	if st.Message == nil {
		return nil
	}
	said := text(st.Message.Parts)
	if waiting(st.State) || st.State.Terminal() {
		s.asked = said
		return nil
	}
	if c.JSON() || said == "" || !changed {
		return nil
	}
	fmt.Fprintf(c.Err, "%s: %s\n", state(st.State), said)
	return nil
}

// showTask prints a task that is looked at once.
func (c verbs) showTask(url string, t *a2a.Task) error {
	s := newShown()
	if err := c.showEvent(s, t); err != nil {
		return err
	}
	return c.finish(url, s)
}

// errTask is the end of a task that did not come to what was asked.
type errTask struct{ state string }

func (e errTask) Error() string { return "the task is " + e.state }

// finish says how a task ended. What is not asked for is an error.
func (c verbs) finish(url string, s *shown) error {
	if s.message || s.task == "" {
		return nil
	}
	if !c.JSON() {
		line := fmt.Sprintf("task %s: %s", frame.Printable(s.task), state(s.state))
		if s.asked != "" {
			line += ": " + s.asked
		}
		fmt.Fprintln(c.Err, line)
		if waiting(s.state) {
			fmt.Fprintf(c.Err, "hint: answer with 'portcullis a2a send %s TEXT --task %s --context %s'\n", word(url), word(s.task), word(s.context))
		}
	}
	switch s.state {
	case a2a.TaskStateFailed, a2a.TaskStateRejected, a2a.TaskStateCanceled:
		return errTask{state(s.state)}
	}
	return nil
}

// state is a state in a word for people: "input required".
func state(s a2a.TaskState) string {
	word := strings.ToLower(strings.ReplaceAll(strings.TrimPrefix(string(s), "TASK_STATE_"), "_", " "))
	if word == "" {
		return "started"
	}
	return frame.Printable(word)
}

// text is what parts say to people. Line breaks stay; what could steer a
// terminal does not.
func text(parts []*a2a.Part) string {
	var out []string
	for _, p := range parts {
		switch v := p.Content.(type) {
		case a2a.Text:
			out = append(out, lines(string(v)))
		case a2a.Data:
			b, err := json.Marshal(v.Value)
			if err != nil {
				b = []byte("(data that cannot be shown)")
			}
			out = append(out, lines(string(b)))
		case a2a.Raw:
			out = append(out, fmt.Sprintf("(file %q, %s, %d bytes)", frame.Printable(p.Filename), frame.Printable(p.MediaType), len(v)))
		case a2a.URL:
			out = append(out, fmt.Sprintf("(file %q at %s)", frame.Printable(p.Filename), frame.Printable(string(v))))
		}
	}
	return strings.Join(out, "\n")
}

func lines(s string) string {
	var out []string
	for line := range strings.SplitSeq(strings.TrimRight(s, "\r\n"), "\n") {
		out = append(out, frame.Printable(strings.ReplaceAll(line, "\t", "    ")))
	}
	return strings.Join(out, "\n")
}
