package use_test

import (
	"os"
	"slices"
	"testing"

	"github.com/portcullis-dev/portcullis"
	"github.com/portcullis-dev/portcullis/gateway/use"
	"github.com/portcullis-dev/portcullis/internal/config"
)

// TestOnlyWhatIsAskedFor: a route has the guards that its settings need, in
// their order, and no others.
func TestOnlyWhatIsAskedFor(t *testing.T) {
	const (
		approval = "approval = { tools = [\"pay\"] }\n"
		limits   = "use = { calls_per_session = 1 }\n"
		sizes    = "use = { result_bytes = { a = 1 } }\n"
		block    = "taint = { confidential = [\"a\"], outbound = [\"b\"] }\n"
		approve  = "taint = { confidential = [\"a\"], outbound = [\"b\"], action = \"approve\" }\n"
	)
	for _, row := range []struct {
		settings        string
		inspect, review []string
		refuses         string
	}{
		{"", nil, nil, "403"},
		{approval, []string{"approval"}, nil, "403"},
		{limits, []string{"use_limits"}, nil, "403 429"},
		{sizes, nil, []string{"use_limits"}, "403"},
		{block, []string{"taint"}, nil, "403"},
		{block + limits, []string{"taint", "use_limits"}, nil, "403 429"},
		{approve + limits, []string{"use_left", "taint", "use_limits"}, nil, "403 429"},
		{approval + limits, []string{"use_left", "approval", "use_limits"}, nil, "403 429"},
		{approval + block + limits, []string{"use_left", "taint", "approval", "use_limits"}, nil, "403 429"},
	} {
		text := "[[route]]\nname = \"n\"\npath = \"/n\"\nupstream = \"http://127.0.0.1:1/\"\n" + row.settings
		cfg, _, err := config.Parse("test.toml", []byte(text), os.LookupEnv)
		if err != nil {
			t.Fatal(err)
		}
		g, err := use.New(&cfg.Routes[0], use.Ledgers{}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := names(g.Inspect()); !slices.Equal(got, row.inspect) {
			t.Errorf("%scalls: %v, want %v", row.settings, got, row.inspect)
		}
		if got := names(g.Review()); !slices.Equal(got, row.review) {
			t.Errorf("%sreplies: %v, want %v", row.settings, got, row.review)
		}
		if got := g.Refuses("403"); got != row.refuses {
			t.Errorf("%srefuses with %s, want %s", row.settings, got, row.refuses)
		}
	}
}

func names(guards []portcullis.Inspector) []string {
	var out []string
	for _, g := range guards {
		out = append(out, g.Name())
	}
	return out
}
