// RabbitMQ over AMQP 0-9-1: persistent messages, publisher confirms, one consumer with a prefetch.

import amqp from 'amqplib';
import { run } from '../common/load.mjs';

const QUEUE = 'race';
const PREFETCH = 500;

await run(async ({ port, variant }) => {
  const connection = await amqp.connect({ hostname: '127.0.0.1', port }, { noDelay: true });
  const channel = await connection.createConfirmChannel();
  const consumer = await connection.createChannel();
  // The measures of a round share the server, whose start is slow.
  await channel.deleteQueue(QUEUE);
  await channel.assertQueue(QUEUE, { durable: true, arguments: { 'x-queue-type': variant } });
  const publish = (job) =>
    new Promise((resolve, reject) => {
      const body = Buffer.from(JSON.stringify(job));
      channel.sendToQueue(QUEUE, body, { persistent: true }, (error) => (error ? reject(error) : resolve()));
    });
  return {
    submit: publish,
    bulk: (jobs) => Promise.all(jobs.map(publish)),
    async waiting() {
      // A count lags behind the confirms for a moment.
      let last = -1;
      for (;;) {
        const { messageCount } = await consumer.checkQueue(QUEUE);
        if (messageCount === last) return messageCount;
        last = messageCount;
        await new Promise((resolve) => setTimeout(resolve, 300));
      }
    },
    async work(onJob) {
      let acknowledged = 0;
      await consumer.prefetch(PREFETCH);
      await consumer.consume(QUEUE, (message) => {
        onJob(JSON.parse(message.content.toString()));
        consumer.ack(message);
        acknowledged++;
      });
      // The broker says nothing to an acknowledgement; that it has taken them all is seen when a later call on the same
      // channel is answered.
      return async (total) => {
        if (acknowledged !== total) throw new Error(`${acknowledged} of ${total} were acknowledged`);
        await consumer.checkQueue(QUEUE);
      };
    },
    close: () => connection.close(),
  };
});
