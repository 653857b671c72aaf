// The page of one who calls from a browser: stanza.js (window.XMPP) for Jingle, and a tone before the microphone.
// It tells the test what it sees by window.tell, and does what the test evaluates.

const MESSAGE = 'urn:xmpp:jingle-message:0';
const RTP = 'urn:xmpp:jingle:apps:rtp:1';
const JINGLE = 'urn:xmpp:jingle:1';
const sound = new AudioContext();
const sessions = {}, ears = {}, taken = new Set(), proposed = {};
let client, habits;

function told(sid, words, xml) {
  window.tell(JSON.stringify({sid, words, xml}));
}

function quoted(text) {
  return text.replace(/&/g, '&amp;').replace(/'/g, '&apos;').replace(/</g, '&lt;');
}

function reasonOf(element) {
  const reason = element.getElementsByTagNameNS(JINGLE, 'reason')[0];
  const names = reason ? [...reason.children].map(one => one.localName) : [];
  return names.find(name => name !== 'text') || '';
}

function read(data) {
  const stanza = new DOMParser().parseFromString(data, 'text/xml').documentElement;
  if (stanza.getAttribute('type') === 'error') return;
  const part = stanza.firstElementChild;
  if (stanza.localName === 'iq' && part && part.namespaceURI === JINGLE) {
    const action = part.getAttribute('action');
    const words = action === 'session-info' ? `info ${part.firstElementChild?.localName}` : `${action} ${reasonOf(part)}`;
    told(part.getAttribute('sid'), words.trim(), data);
    if (action === 'session-terminate' && proposed[part.getAttribute('sid')]) {
      step(stanza.getAttribute('from'), 'finish', part.getAttribute('sid'), reasonOf(part));
    }
  } else if (stanza.localName === 'message') {
    for (const one of stanza.children) {
      if (one.namespaceURI === MESSAGE) stepped(stanza, one, data);
    }
  }
}

function stepped(stanza, one, data) {
  const sid = one.getAttribute('id'), from = stanza.getAttribute('from');
  if (one.localName === 'propose') {
    proposed[sid] = from;
    step(from, 'ringing', sid);
  }
  told(sid, `${one.localName} ${reasonOf(one)}`.trim(), data);
  if (one.localName === 'proceed' && proposed[sid]) begin(from, sid);
}

function step(to, name, sid, reason = '', inside = '') {
  const why = reason ? `<reason xmlns='${JINGLE}'><${reason}/></reason>` : '';
  client.transport.write(
    `<message xmlns='jabber:client' type='chat' to='${quoted(to)}'><${name} xmlns='${MESSAGE}' id='${quoted(sid)}'>`
    + `${inside}${why}</${name}><store xmlns='urn:xmpp:hints'/></message>`
  );
}

async function logIn(given) {
  habits = given;
  client = XMPP.createClient({
    jid: habits.jid, password: habits.password, transports: {websocket: habits.url, bosh: false},
    autoReconnect: false, useStreamManagement: false, jingle: {iceServers: []},
  });
  client.on('raw:incoming', read);
  client.on('jingle:incoming', session => {
    sessions[session.sid] = session;
    if (taken.has(session.sid)) take(session);
    else if (!proposed[session.sid]) session.ring();
  });
  client.jingle.on('peerTrackAdded', (session, track, stream) => listen(session.sid, track, stream));
  const ready = new Promise((resolve, reject) => {
    client.on('session:started', resolve);
    client.on('auth:failed', () => reject(new Error('auth:failed')));
    client.on('disconnected', () => reject(new Error('disconnected')));
  });
  client.connect();
  await ready;
  await client.getRoster();
  client.sendPresence();
  return client.jid;
}

async function enter(room, nick) {
  await client.joinRoom(room, nick);
}

function appear(to) {
  client.sendPresence({to});
}

function tone() {
  const source = new OscillatorNode(sound, {frequency: habits.frequency});
  const microphone = new MediaStreamAudioDestinationNode(sound);
  source.connect(microphone);
  source.start();
  return microphone.stream.getAudioTracks()[0];
}

function picture() {
  const canvas = Object.assign(document.createElement('canvas'), {width: 160, height: 120});
  const brush = canvas.getContext('2d');
  let turn = 0;
  setInterval(() => {
    brush.fillStyle = `hsl(${turn++ * 7 % 360} 100% 50%)`;
    brush.fillRect(0, 0, 160, 120);
  }, 50);
  return canvas.captureStream(15).getVideoTracks()[0];
}

async function add(session, kinds) {
  const stream = new MediaStream(kinds.map(kind => kind === 'audio' ? tone() : picture()));
  for (const track of stream.getTracks()) await session.addTrack(track, stream);
}

function prefer(session) {
  const known = RTCRtpSender.getCapabilities('audio').codecs;
  const named = name => known.filter(codec => codec.mimeType.toLowerCase() === `audio/${name.toLowerCase()}`);
  const wanted = [...habits.codecs, 'telephone-event'].flatMap(named);
  for (const one of session.pc.getTransceivers()) {
    if (one.receiver.track.kind === 'audio') one.setCodecPreferences(wanted);
  }
}

function call(to, sid, kinds) {
  sessions[sid] = kinds;
  if (habits.proposes) {
    proposed[sid] = to;
    step(to, 'propose', sid, '', kinds.map(kind => `<description xmlns='${RTP}' media='${kind}'/>`).join(''));
  } else {
    begin(to, sid);
  }
}

async function begin(to, sid) {
  const kinds = sessions[sid];
  const session = sessions[sid] = client.jingle.createMediaSession(to, sid);
  await add(session, kinds);
  prefer(session);
  await session.start();
}

function answer(sid) {
  taken.add(sid);
  if (sessions[sid]) take(sessions[sid]);
  else if (proposed[sid]) step(proposed[sid], 'proceed', sid);
}

async function take(session) {
  const kinds = session.pc.getTransceivers().map(one => one.receiver.track.kind);
  await add(session, kinds);
  prefer(session);
  await session.accept();
}

function refuse(sid, reason) {
  if (sessions[sid]) sessions[sid].decline();
  else step(proposed[sid], 'reject', sid, reason);
}

function hangUp(sid, reason) {
  const session = sessions[sid], peer = session.peerID;
  session.end(reason);
  if (proposed[sid]) step(peer, 'finish', sid, reason);
}

function press(sid, keys) {
  const sender = sessions[sid].pc.getSenders().find(one => one.dtmf);
  sender.dtmf.insertDTMF(keys, 100, 50);
}

function listen(sid, track, stream) {
  if (track.kind !== 'audio') {
    const screen = Object.assign(document.createElement('video'), {srcObject: stream, muted: true, autoplay: true});
    ears[`${sid} video`] = screen;
    return;
  }
  const alone = new MediaStream([track]);
  const speaker = Object.assign(new Audio(), {srcObject: alone, muted: true});  // else Chromium decodes nothing
  speaker.play();
  const analyser = new AnalyserNode(sound, {fftSize: 4096, smoothingTimeConstant: 0});
  sound.createMediaStreamSource(alone).connect(analyser);
  ears[sid] = {speaker, analyser};
}

function loudest(sid) {
  if (!ears[sid]) return [0, -Infinity];
  const {analyser} = ears[sid], bins = new Float32Array(analyser.frequencyBinCount);
  analyser.getFloatFrequencyData(bins);
  let best = 0;
  bins.forEach((level, index) => { if (level > bins[best]) best = index; });
  return [best * sound.sampleRate / analyser.fftSize, bins[best]];
}

async function until(done, seconds) {
  for (const end = performance.now() + 1000 * seconds; performance.now() < end;) {
    if (await done()) return true;
    await new Promise(resolve => setTimeout(resolve, 20));
  }
  return false;
}

function hears(sid, frequency, seconds) {
  return until(() => {
    const [found, level] = loudest(sid);
    return Math.abs(found - frequency) < 15 && level > -60;
  }, seconds);
}

function hearsNothing(sid, seconds) {
  return until(() => loudest(sid)[1] < -60, seconds);
}

function seesMoves(sid, seconds) {
  return until(() => ears[`${sid} video`]?.currentTime > 0.1, seconds);
}

async function codec(sid) {
  const stats = [...(await sessions[sid].pc.getStats()).values()];
  const sent = stats.find(one => one.type === 'outbound-rtp' && one.kind === 'audio');
  return stats.find(one => one.id === sent?.codecId)?.mimeType.split('/')[1] || '';
}
