package mcp

import "github.com/portcullis-dev/portcullis/internal/protocol/jsonrpc"

// ArgumentsOf returns params.arguments of a request, nil if there is none.
func ArgumentsOf(request []byte) []byte {
	for it := jsonrpc.Walk(request); it.Next(); {
		if !it.Name.Is(request, "params") {
			continue
		}
		params := it.Value.Raw(request)
		for in := jsonrpc.Walk(params); in.Next(); {
			if in.Name.Is(params, "arguments") {
				return in.Value.Raw(params)
			}
		}
	}
	return nil
}
