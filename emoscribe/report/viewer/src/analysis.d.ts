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
  explanation?: {
    label: string;
    method: string;
    alignment: string;
    words: ExplainedWord[];
    context_weight?: number;
  };
}

export interface ExplainedWord {
  text: string;
  weight: number;
  source_words: number[];
  start_ms: number | null;
  end_ms: number | null;
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

/** Where a viewer gets its analysis and its recording from: the page itself now, an API later. */
export interface Source {
  load(): Promise<Analysis>;
  /** Address of the recording, or null if there can be none. */
  mediaUrl(analysis: Analysis): string | null;
}
