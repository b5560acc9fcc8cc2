// Package schema holds calls and replies to JSON Schemas: the arguments of a
// tool to the inputSchema that its server names in tools/list, the structured
// content of a result to the outputSchema, and any part of any message to
// schemas that an operator gives.
//
// Schemas of a server are input like any other. Before one is compiled its
// size, depth and number of values are bounded; nothing is ever fetched; a
// schema that refers to itself without an end is not usable. What checking a
// value can cost is known before it is checked, from the shape of the value
// and from numbers that are worked out once per schema, see [Schema.Check].
//
// A [Failure] names the place and the rule that was broken, and never a value:
// of the names on the way only those are told that stand in the schema.
package schema
