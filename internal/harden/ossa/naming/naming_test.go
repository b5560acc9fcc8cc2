package naming

import "testing"

func TestNames(t *testing.T) {
	for _, c := range []struct {
		action, tool               string
		is, covers, within, family bool
	}{
		{action: "read", tool: "read", is: true, covers: true, within: true, family: true},
		{action: "Read", tool: "read", covers: true, within: true, family: true},
		{action: "files:read", tool: "read", is: true, covers: true},
		{action: "files/re*", tool: "read", is: true, covers: true},
		{action: "files.*", tool: "read", is: true, covers: true},
		{action: "other:read", tool: "read"},
		{action: "f*", tool: "read", covers: true},
		{action: "*", tool: "read", is: true, covers: true},
		{action: "r*d", tool: "read", is: true, covers: true},
		{action: "r*d*d", tool: "read"},
		{action: "delete-repo", tool: "deleteRepo", covers: true, within: true, family: true},
		{action: "delete", tool: "delete_file", within: true},
		{action: "let", tool: "delete_file"},
		{action: "file delete", tool: "delete_file"},
		{action: "HTTP2", tool: "http2", covers: true, within: true, family: true},
		{action: "?!", tool: "read"},
		{action: "", tool: "read"},
	} {
		if got := Is(c.action, "files", c.tool); got != c.is {
			t.Errorf("Is(%q, %q) = %v", c.action, c.tool, got)
		}
		if got := Covers(c.action, "files", c.tool); got != c.covers {
			t.Errorf("Covers(%q, %q) = %v", c.action, c.tool, got)
		}
		if got := Within(c.action, c.tool); got != c.within {
			t.Errorf("Within(%q, %q) = %v", c.action, c.tool, got)
		}
		if got := SameWords(c.action, c.tool); got != c.family {
			t.Errorf("SameWords(%q, %q) = %v", c.action, c.tool, got)
		}
	}
}

func FuzzNames(f *testing.F) {
	f.Add("files:re*", "read")
	f.Add("deleteRepo", "delete_repo")
	f.Fuzz(func(t *testing.T, action, tool string) {
		if Is(action, "files", tool) && !Covers(action, "files", tool) {
			t.Fatalf("%q allows %q and does not block it", action, tool)
		}
		if SameWords(action, tool) && !Within(action, tool) {
			t.Fatalf("%q is not within %q", action, tool)
		}
		if !Is(tool, "files", tool) || !Is("files:"+tool, "files", tool) || !Is("*", "files", tool) {
			t.Fatalf("%q is not itself", tool)
		}
	})
}
