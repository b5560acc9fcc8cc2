package a2aclient

import (
	"context"

	"github.com/a2aproject/a2a-go/v2/a2a"

	"github.com/portcullis-dev/portcullis/a2aclient/internal/guard"
)

// SetPush asks the agent to tell a URL about a task. The token and the
// credential in it are for the receiver to know the agent by: they are given
// to the agent.
func (c *Client) SetPush(ctx context.Context, p *a2a.PushConfig) (*a2a.PushConfig, error) {
	if err := c.checkTask(string(p.TaskID)); err != nil {
		return nil, err
	}
	if p.ID != "" {
		if err := guard.CheckID("push configuration", p.ID); err != nil {
			return nil, err
		}
	}
	if _, _, err := guard.ReadURL(p.URL); err != nil {
		return nil, err
	}
	return call(ctx, c, methodPushSet, func(ctx context.Context) (*a2a.PushConfig, error) { return c.sdk.CreateTaskPushConfig(ctx, p) })
}

// Push returns a configuration of a task.
func (c *Client) Push(ctx context.Context, task, id string) (*a2a.PushConfig, error) {
	if err := c.checkPush(task, id); err != nil {
		return nil, err
	}
	return call(ctx, c, methodPushGet, func(ctx context.Context) (*a2a.PushConfig, error) {
		return c.sdk.GetTaskPushConfig(ctx, &a2a.GetTaskPushConfigRequest{TaskID: a2a.TaskID(task), ID: id})
	})
}

// Pushes lists the configurations of a task.
func (c *Client) Pushes(ctx context.Context, task string) ([]*a2a.PushConfig, error) {
	if err := c.checkTask(task); err != nil {
		return nil, err
	}
	return call(ctx, c, methodPushList, func(ctx context.Context) ([]*a2a.PushConfig, error) {
		return c.sdk.ListTaskPushConfigs(ctx, &a2a.ListTaskPushConfigRequest{TaskID: a2a.TaskID(task)})
	})
}

// DeletePush removes a configuration of a task.
func (c *Client) DeletePush(ctx context.Context, task, id string) error {
	if err := c.checkPush(task, id); err != nil {
		return err
	}
	_, err := call(ctx, c, methodPushDelete, func(ctx context.Context) (struct{}, error) {
		return struct{}{}, c.sdk.DeleteTaskPushConfig(ctx, &a2a.DeleteTaskPushConfigRequest{TaskID: a2a.TaskID(task), ID: id})
	})
	return err
}

func (c *Client) checkPush(task, id string) error {
	if err := c.checkTask(task); err != nil {
		return err
	}
	return guard.CheckID("push configuration", id)
}
