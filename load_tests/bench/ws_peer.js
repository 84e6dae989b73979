// The same frames as the floor's, written by Node's `ws`: node ws_peer.js VIEWERS BYTES PER_S SECONDS. I/O: sockets.
// Prints its port, waits for a line, writes to every client at that pace and prints its own CPU time a frame.
"use strict";
const { WebSocketServer } = require("ws");
const [viewers, size, perS, seconds] = process.argv.slice(2).map(Number);
const server = new WebSocketServer({ host: "127.0.0.1", port: 0, perMessageDeflate: false });
const frame = Buffer.from("[" + " ".repeat(size - 6) + "]");

server.on("listening", () => console.log(JSON.stringify({ port: server.address().port })));
process.stdin.once("data", () => {
  if (server.clients.size < viewers) throw new Error(`${server.clients.size} clients of ${viewers}`);
  const turns = Math.floor(perS * seconds);
  const before = process.cpuUsage();
  const beganMs = performance.now();
  let frames = 0;
  const write = (turn) => {
    if (turn === turns) {
      const used = process.cpuUsage(before);
      console.log(JSON.stringify({ us_per_frame: (used.user + used.system) / frames }));
      return;
    }
    for (const client of server.clients) {
      client.send(frame, { binary: false });
      frames += 1;
    }
    setTimeout(write, Math.max(0, beganMs + ((turn + 1) * 1000) / perS - performance.now()), turn + 1);
  };
  write(0);
});
process.stdin.on("end", () => process.exit(0));
