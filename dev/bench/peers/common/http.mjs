// A lean HTTP/1.1 client on kept connections: one request at a time each, JSON in, JSON out. The clients that come with
// Node cost more than some of the servers that are measured here.

import net from 'node:net';

export class Http {
  constructor(port) {
    this.port = port;
    this.connections = [];
  }

  /** Sends on connection number `slot`; the answer's JSON. Any status but `expected` is an error. */
  async send(slot, method, path, body, expected) {
    this.connections[slot] ??= await Connection.open(this.port);
    const answer = await this.connections[slot].send(method, path, body);
    if (answer.status !== expected) {
      throw new Error(`${method} ${path} was answered ${answer.status}: ${answer.body.toString().slice(0, 300)}`);
    }
    return answer.body;
  }

  close() {
    for (const connection of this.connections) connection?.socket.destroy();
  }
}

class Connection {
  static open(port) {
    return new Promise((resolve, reject) => {
      const socket = net.connect({ port, host: '127.0.0.1', noDelay: true });
      socket.once('error', reject);
      socket.once('connect', () => resolve(new Connection(socket, port)));
    });
  }

  constructor(socket, port) {
    this.socket = socket;
    this.host = `127.0.0.1:${port}`;
    this.buffer = Buffer.alloc(0);
    socket.on('data', (data) => this.read(data));
    socket.on('error', (error) => this.fail(error));
    socket.on('close', () => this.fail(new Error('the connection was closed')));
  }

  send(method, path, body) {
    return new Promise((resolve, reject) => {
      this.waiting = { resolve, reject };
      const type = body ? 'content-type: application/json\r\n' : '';
      const length = body ? Buffer.byteLength(body) : 0;
      this.socket.write(
        `${method} ${path} HTTP/1.1\r\nhost: ${this.host}\r\n${type}content-length: ${length}\r\n\r\n${body ?? ''}`,
      );
    });
  }

  fail(error) {
    this.waiting?.reject(error);
    this.waiting = undefined;
  }

  read(data) {
    this.buffer = this.buffer.length ? Buffer.concat([this.buffer, data]) : data;
    const head = this.buffer.indexOf('\r\n\r\n');
    if (head < 0) return;
    const text = this.buffer.latin1Slice(0, head);
    const status = Number(text.slice(9, 12));
    const length = /\r\ncontent-length: *(\d+)/i.exec(text);
    let body, end;
    if (length || status === 204) {
      end = head + 4 + Number(length?.[1] ?? 0);
      if (this.buffer.length < end) return;
      body = this.buffer.subarray(head + 4, end);
    } else if (/\r\ntransfer-encoding: *chunked/i.test(text)) {
      const chunks = unchunk(this.buffer, head + 4);
      if (!chunks) return;
      ({ body, end } = chunks);
    } else {
      return this.fail(new Error('an answer without a length'));
    }
    this.buffer = this.buffer.subarray(end);
    const waiting = this.waiting;
    this.waiting = undefined;
    waiting?.resolve({ status, body });
  }
}

/** The body of chunks that begin at `at`, if they are all there. */
function unchunk(buffer, at) {
  const parts = [];
  for (;;) {
    const line = buffer.indexOf('\r\n', at);
    if (line < 0) return undefined;
    const size = parseInt(buffer.latin1Slice(at, line), 16);
    at = line + 2;
    if (buffer.length < at + size + 2) return undefined;
    if (size === 0) return { body: Buffer.concat(parts), end: at + 2 };
    parts.push(buffer.subarray(at, at + size));
    at += size + 2;
  }
}
