import type { Context } from "./viewer.js";

/** The parts of an analysis that the viewer reads; the whole is described by docs/analysis.schema.json. */
export interface Word {
  text: string;
  start_ms: number;
  end_ms: number;
  probability: number;
}

export interface Emotion {
  label: string;
  confidence: number;
  mixed: string[];
  scores: Record<string, number>;
  context_used?: boolean;
  /** Absent where the analysis was made without. */
  explanation?: Explanation | null;
}

export interface Segment {
  index: number;
  start_ms: number;
  end_ms: number;
  text: string;
  language: string;
  language_probability: number;
  text_en: string;
  translation_engine: string;
  transcript_confidence: number;
  emotion: Emotion | null;
  needs_review: boolean;
  review_reasons: string[];
  words: Word[];
}

export interface Analysis {
  schema_version: string;
  statement: string;
  created_at: string;
  emoscribe_version: string;
  source: {
    name: string;
    sha256: string | null;
    bytes: number | null;
    duration_ms: number;
    container: string;
    codec: string;
    audio_track: number;
    audio_tracks: number;
    truncated: boolean;
  };
  language: { language: string | null; probability: number; pinned: boolean };
  speech_ms: number;
  segments: Segment[];
  models: { role: string; name: string; version: string; sha256: string; license: string }[];
  settings: Record<string, string | number | boolean | null>;
  problems: { code: string; message: string; segment_index: number | null }[];
  stage_seconds: Record<string, number>;
}

/** What a person decided about a sentence; the model's answer stays beside it. */
export interface Decision {
  label: string;
  mixed: string[];
  /** Who, and when (ISO 8601). */
  by: string;
  at: string;
}

/** Why the model answered as it did: by how much each word of the English text raises the log-odds of the label. */
export interface Explanation {
  label: string;
  /** The words of the English text, in order; `source_words` are places in `words` of the sentence. */
  words: { text: string; weight: number; source_words: number[] }[];
  /** The same for all the sentences before together, if they took part. */
  context_weight?: number;
}

/** The place where a viewer stands - a file, or the page of a service - and what it adds. */
export interface Host {
  /** What stands above the name of the recording, and the buttons beside it. */
  brand: string;
  tools(context: Context): Node[];
  /** Cards for the column beside the transcript, above the filters. */
  side(context: Context): Node[];
  /** Address of the recording, asked for again when one has stopped working; null if there can be none. */
  mediaUrl(analysis: Analysis): Promise<string | null>;
  /** What to do about a recording that is not there. */
  absence(analysis: Analysis): (Node | string)[];
  /** More keys, and their lines in the help sheet. */
  commands(context: Context): Record<string, () => void>;
  keys: string[][];
  /** Null where there can be no explanations; the promise gives null for a sentence that has none. */
  explain: ((at: number) => Promise<Explanation | null>) | null;
  /** Whether people's decisions are known here. */
  hasDecisions: boolean;
}
