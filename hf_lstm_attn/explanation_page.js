// Switches between the explanations of the page and says the score of the word under the pointer or the focus.
// The scores stand in the page as JSON, the first explanation also in its text: without this script it stays.
"use strict";
const page = JSON.parse(document.getElementById("data").textContent);
const text = document.querySelector(".text");
const words = Array.from(text.querySelectorAll(".word"));
const readout = document.getElementById("readout");
const method = document.getElementById("method");
const label = document.getElementById("label");
let shown = page.explanations[0];

function shade(score) {
  const level = Math.round(Math.abs(score) / shown.scale * page.levels);
  if (level === 0) return "word";
  return "word " + (shown.signed ? (score > 0 ? "for" : "against") : "unsigned") + " l" + level;
}

function format(score) {
  if (!shown.signed) return (100 * score).toFixed(1) + "%";
  const digits = Math.abs(score).toFixed(2);
  return (Number(digits) === 0 ? "" : score > 0 ? "+" : "\u2212") + digits;
}

function drawBar(bar, score, scale) {
  const share = 100 * Math.abs(score) / scale;
  bar.setAttribute("class", shown.signed ? (score > 0 ? "for" : "against") : "unsigned");
  const places = { x: shown.signed ? (score > 0 ? 50 : 50 - share / 2) : 0, width: shown.signed ? share / 2 : share };
  for (const name in places) bar.setAttribute(name, Number(places[name].toPrecision(4)));
}

function say(word) {
  const score = shown.scores[words.indexOf(word)];
  const name = document.createElement("bdi");
  name.textContent = word.textContent;
  const meaning = !shown.signed ? " of the weight"
    : Number(score.toFixed(2)) === 0 ? " log-odds"
    : " log-odds: speaks " + (score > 0 ? "for " : "against ") + shown.label;
  readout.replaceChildren(name, " \u00a0" + format(score) + meaning);
}

function show(explanation) {
  shown = explanation;
  document.getElementById("note").textContent = shown.note;
  document.getElementById("heading").textContent = shown.heading;
  for (const [name, part] of [["legend-signed", shown.signed], ["legend-unsigned", !shown.signed]]) {
    const legend = document.getElementById(name);
    legend.hidden = !part;
    legend.querySelector(".scale").textContent = format(shown.scale).replace("+", "");
  }
  for (const part of document.querySelectorAll(".explained")) part.textContent = shown.label;
  const cells = document.querySelectorAll("#words td.number");
  words.forEach((word, index) => {
    word.className = shade(shown.scores[index]);
    word.title = format(shown.scores[index]);
    cells[index].textContent = word.title;
  });
  const rows = document.querySelectorAll("#sentences tr");
  const scale = Math.max(...shown.sentences.map(Math.abs)) || 1;
  shown.sentences.forEach((score, index) => {
    rows[index].querySelector("td.number").textContent = format(score);
    drawBar(rows[index].querySelector("rect"), score, scale);
  });
  if (words.includes(document.activeElement)) say(document.activeElement);
  else readout.textContent = page.hint;
}

function choose() {
  const same = page.explanations.filter(explanation => explanation.method === method.value);
  label.parentElement.hidden = !same[0].signed;
  show(same.find(explanation => explanation.label === label.value) || same[0]);
}

// One stop for the Tab key; the arrow keys move from word to word, in the direction in which the text is written.
function moveTo(index) {
  if (index < 0 || index >= words.length) return;
  for (const word of words) word.tabIndex = -1;
  words[index].tabIndex = 0;
  words[index].focus();
}

text.addEventListener("keydown", event => {
  const index = words.indexOf(event.target);
  if (index < 0 || event.altKey || event.ctrlKey || event.metaKey) return;
  const step = getComputedStyle(text).direction === "rtl" ? -1 : 1;
  const targets = { ArrowRight: index + step, ArrowLeft: index - step, ArrowDown: index + 1, ArrowUp: index - 1,
    Home: 0, End: words.length - 1 };
  if (!(event.key in targets)) return;
  event.preventDefault();
  moveTo(targets[event.key]);
});
for (const kind of ["pointerover", "focusin", "click"]) {
  text.addEventListener(kind, event => {
    if (words.includes(event.target)) say(event.target);
  });
}

if (words.length > 0) words[0].tabIndex = 0;
for (const word of words.slice(1)) word.tabIndex = -1;
method.addEventListener("change", choose);
label.addEventListener("change", choose);
document.querySelector(".controls").hidden = page.explanations.length < 2;
readout.hidden = words.length === 0;
choose();
