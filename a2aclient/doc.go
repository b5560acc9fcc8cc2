// Package a2aclient calls agents over A2A, versions 1.0 and 0.3, and cannot be
// tricked into giving away what it holds. The wire is the official SDK's; what
// stands around it is this package.
//
//	client, err := a2aclient.Connect(ctx, "https://agent.example", a2aclient.Options{
//		Credentials: []a2aclient.Credential{a2aclient.Bearer(a2aclient.Text(os.Getenv("A2A_TOKEN")))},
//	})
//	reply, err := client.Send(ctx, a2aclient.Message{Text: "What is new?"})
//
// What it promises:
//
//   - A credential goes to the origin that the caller named, or one that the
//     caller allowed, and nowhere else: not where a card, a redirect or a name
//     that resolves differently a second later says.
//   - A card that asks for something that the caller does not have, or that
//     nobody knows, is an error before anything is sent. No call travels
//     without the credential that it needs.
//   - Every answer is bounded, is JSON that every parser reads the same, and
//     answers the request that was sent. Every event of a stream fits the
//     schema of its version.
//   - What may have been done is not done twice: only calls that change
//     nothing are repeated.
//   - Errors hold no secret. The words of an agent are in [AgentError] alone,
//     without anything that steers a terminal.
package a2aclient
