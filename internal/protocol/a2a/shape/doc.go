// Package shape holds the objects of the Agent2Agent protocol as tables, and
// checks JSON against them: members, types, what must be there, one-ofs, enums
// and bounds, for version 1.0 (the Protocol Buffers definition in its JSON
// form), for 0.3 (the JSON Schema) and for the stream events of agents that are
// older than both.
//
//	failure := shape.Check(shape.V1SendMessage, params, nil)
//
// What is checked must have been accepted by package jsonrpc, which sees to
// duplicate names, encodings and depth. Beyond the schemas a text is refused
// if two parsers could read it differently: another spelling of a member,
// task_id included, since Protocol Buffers parsers take it for taskId; two
// members of a one-of; null for one of them; a number or text where a parser
// would convert. Members that nobody defines are passed over: the
// specification says that they SHOULD be ignored.
//
// A [Failure] names the path to what is wrong, in names of the tables and
// positions in lists, and the rule that it breaks. It never holds anything that
// the sender wrote (S0-14).
package shape
