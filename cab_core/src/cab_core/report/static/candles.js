// Candles as they are stored: whole numbers in base64, times as stretches without a hole.

const TIMEFRAMES = [900, 1800, 3600, 7200, 14400, 28800, 43200, 86400, 172800, 604800, 1209600, 2592000];

function unpack(text, decimals) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  if (decimals === null) return new Float64Array(bytes.buffer);
  return Float64Array.from(new Int32Array(bytes.buffer), (value) => value / 10 ** decimals);
}

function decoded(set) {
  const t = [];
  for (const [start, count] of set.runs) {
    for (let k = 0; k < count; k++) t.push(start + k * set.tf);
  }
  const columns = {};
  for (const name of "ohlc") columns[name] = unpack(set[name], set.decimals);
  return { tf: set.tf, t, ...columns };
}

function setsOf(symbol) {
  symbol.decoded ??= symbol.sets.map(decoded);
  return symbol.decoded;
}

function firstAtOrAfter(times, second) {
  let low = 0;
  let high = times.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (times[middle] < second) low = middle + 1;
    else high = middle;
  }
  return low;
}

// The first and last second of the symbol's candles.
function extentOf(symbol) {
  const whole = setsOf(symbol).at(-1);
  return whole.t.length ? [whole.t[0], whole.t.at(-1) + whole.tf] : null;
}

// Whether the set has candles at both ends and in the middle of the span.
function covers(set, from, to) {
  return [from, (from + to) / 2, to].every((second) => {
    const at = firstAtOrAfter(set.t, second - set.tf);
    return at < set.t.length && set.t[at] < second + 4 * set.tf;
  });
}

// Candles of the span, merged so that at most `most` are drawn.
function candlesBetween(symbol, from, to, most) {
  const sets = setsOf(symbol);
  const wanted = (to - from) / most;
  const inside = extentOf(symbol);
  const clipped = [Math.max(from, inside[0]), Math.min(to, inside[1])];
  const set = sets.find((each) => each === sets.at(-1) || (wanted <= each.tf * 2 && covers(each, ...clipped)));
  const tf = TIMEFRAMES.find((each) => each >= wanted && each % set.tf === 0) ?? TIMEFRAMES.at(-1);
  const merged = { tf, t: [], o: [], h: [], l: [], c: [] };
  let bucket = null;
  for (let k = firstAtOrAfter(set.t, from); k < set.t.length && set.t[k] < to; k++) {
    const start = Math.floor(set.t[k] / tf) * tf;
    const last = merged.t.length - 1;
    if (start === bucket) {
      merged.h[last] = Math.max(merged.h[last], set.h[k]);
      merged.l[last] = Math.min(merged.l[last], set.l[k]);
      merged.c[last] = set.c[k];
    } else {
      bucket = start;
      merged.t.push(start);
      for (const name of "ohlc") merged[name].push(set[name][k]);
    }
  }
  return merged;
}
