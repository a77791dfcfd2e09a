// NATS JetStream: a work-queue stream in a file, one durable pull consumer.

import { connect } from '@nats-io/transport-node';
import { AckPolicy, jetstream, jetstreamManager, RetentionPolicy, StorageType } from '@nats-io/jetstream';
import { run, until } from '../common/load.mjs';

const STREAM = 'RACE';
const SUBJECT = 'race.noop';

await run(async ({ port }) => {
  const connection = await connect({ servers: `127.0.0.1:${port}` });
  const manager = await jetstreamManager(connection);
  await manager.streams.add({
    name: STREAM,
    subjects: ['race.>'],
    storage: StorageType.File,
    retention: RetentionPolicy.Workqueue,
  });
  const stream = jetstream(connection);
  const publish = (job) => stream.publish(SUBJECT, JSON.stringify(job), { timeout: 60_000 });
  const waiting = async () => (await manager.streams.info(STREAM)).state.messages;
  return {
    submit: publish,
    bulk: (jobs) => Promise.all(jobs.map(publish)),
    waiting,
    async work(onJob) {
      const settings = { durable_name: 'race', ack_policy: AckPolicy.Explicit, max_ack_pending: 10_000 };
      await manager.consumers.add(STREAM, settings);
      const consumer = await stream.consumers.get(STREAM, 'race');
      await consumer.consume({
        max_messages: 1000,
        callback(message) {
          onJob(message.json());
          message.ack();
        },
      });
      // An acknowledgement is not answered; a work queue drops a message when it has taken it.
      return () => until('messages are gone', async () => (await waiting()) === 0);
    },
    close: () => connection.close(),
  };
});
